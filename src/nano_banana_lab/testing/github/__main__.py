"""`python -m nano_banana_lab.testing.github`: the double by itself."""

import socket

import click

from nano_banana_lab.testing.asgi_server import server_of
from nano_banana_lab.testing.github.app import GitHubApp
from nano_banana_lab.testing.github.oauth import OAuthApp
from nano_banana_lab.testing.github.server import CALLBACK, CLIENT_ID, CLIENT_SECRET


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8091, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--client-id", default=CLIENT_ID, show_default=True, help="Of the OAuth app that is registered.")
@click.option("--client-secret", default=CLIENT_SECRET, show_default=True, help="Of the same OAuth app.")
@click.option("--callback", default=CALLBACK, show_default=True, help="Where GitHub may send browsers back to.")
def main(host: str, port: int, client_id: str, client_secret: str, callback: str) -> None:
    """Serve a stand-in for GitHub's sign-in; GET / lists the faults that a script may name."""
    app = GitHubApp(OAuthApp(client_id=client_id, client_secret=client_secret, callback=callback))
    with socket.create_server((host, port), backlog=1024) as listener:
        address = f"http://{host}:{listener.getsockname()[1]}"
        click.echo(f"Serving a stand-in for GitHub at {address}")
        click.echo("A lab finds it with:\n  AUTH_ENABLED=true")
        click.echo(f"  GITHUB_URL={address}\n  GITHUB_API_URL={address}")
        click.echo(f"  GITHUB_CLIENT_ID={client_id}\n  GITHUB_CLIENT_SECRET={client_secret}")
        server_of(app).run(sockets=[listener])


if __name__ == "__main__":
    main()
