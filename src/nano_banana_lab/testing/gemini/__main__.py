"""`python -m nano_banana_lab.testing.gemini`: the double by itself."""

import socket

import click

from nano_banana_lab.testing.asgi_server import server_of
from nano_banana_lab.testing.gemini.app import GeminiApp


@click.command()
@click.option("--host", default="127.0.0.1", show_default=True, help="Address to listen on.")
@click.option("--port", default=8090, show_default=True, help="Port to listen on; 0 takes a free one.")
@click.option("--latency", default=0.0, show_default=True, help="Seconds that every generation takes.")
def main(host: str, port: int, latency: float) -> None:
    """Serve a stand-in for Gemini; GET / lists the markers that prompts may contain."""
    with socket.create_server((host, port), backlog=1024) as listener:
        click.echo(f"Serving a stand-in for Gemini at http://{host}:{listener.getsockname()[1]}")
        server_of(GeminiApp(latency=latency)).run(sockets=[listener])


if __name__ == "__main__":
    main()
