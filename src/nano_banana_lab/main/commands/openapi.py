"""`nano-banana-lab openapi`: what clients are made from."""

from pathlib import Path

import click
import msgspec
from litestar.serialization import encode_json

from nano_banana_lab.main.app import create_app
from nano_banana_lab.main.commands.picture_files import check_folder
from nano_banana_lab.main.settings import Settings


@click.command("openapi")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, writable=True, path_type=Path),
    help="File to write instead of standard output.",
)
@click.pass_obj
def command(settings: Settings, output: Path | None) -> None:
    """Print the OpenAPI document as this version and configuration serves it at /openapi.json; starts nothing."""
    document = create_app(settings).openapi_schema.to_schema()
    text = msgspec.json.format(encode_json(document), indent=2).decode()
    if output is None:
        click.echo(text)
        return
    check_folder(output)
    try:
        output.write_text(f"{text}\n", encoding="utf-8")
    except OSError as error:
        raise click.ClickException(f"Cannot write {click.format_filename(output)} ({error.strerror}).") from error
