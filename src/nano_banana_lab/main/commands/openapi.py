"""`nano-banana-lab openapi`: what clients are made from."""

from pathlib import Path

import click
import msgspec
from litestar.serialization import encode_json

from nano_banana_lab.main.app import create_app
from nano_banana_lab.main.commands.picture_files import STANDARD_OUTPUT, check_folder
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
    try:
        _write(text, output)
    except BrokenPipeError:
        raise  # click ends quietly when nobody reads on
    except OSError as error:
        where = "standard output" if output is None else click.format_filename(output)
        raise click.ClickException(f"Cannot write {where} ({error.strerror}).") from error


def _write(text: str, output: Path | None) -> None:
    if output is None or output == STANDARD_OUTPUT:
        click.echo(text)
    else:
        check_folder(output)
        output.write_text(f"{text}\n", encoding="utf-8")
