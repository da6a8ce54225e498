"""`nano-banana-lab check`: what is configured, and does it work?"""

import re
from collections.abc import Mapping
from typing import Any

import click
import msgspec
from dishka import AsyncContainer

from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.core.storage.store_watch import StoreWatch
from nano_banana_lab.http.health import ModelCheck, Status
from nano_banana_lab.http.messages import ENGLISH
from nano_banana_lab.main.commands.options import as_json
from nano_banana_lab.main.commands.run_in_lab import run_in_lab
from nano_banana_lab.main.commands.shown import show_json
from nano_banana_lab.main.settings import Settings

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+(?=@)")
"""User and password in an address."""


@click.command("check")
@as_json
@click.pass_obj
def command(settings: Settings, *, as_json: bool) -> None:
    """Show the effective configuration, secrets masked, and try every store and the image model."""
    run_in_lab(settings, lambda container: check(container, as_json=as_json))


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """Whether a part of the lab works; `latency_ms` and `details` are what was found out besides."""

    error: str | None
    latency_ms: float | None = None
    details: dict[str, Any] = {}


async def check(container: AsyncContainer, *, as_json: bool = False) -> int:
    """Print every setting, secrets masked, and the state of each part. Returns 1 when one does not work."""
    settings = await container.get(Settings)
    shown = {field.name.upper(): _shown(getattr(settings, field.name)) for field in msgspec.structs.fields(Settings)}
    parts = await _parts(container)
    works = not any(part.error for part in parts.values())
    if as_json:
        show_json({"works": works, "settings": shown, "parts": parts})
    else:
        _show(shown, parts)
    return 0 if works else 1


async def _parts(container: AsyncContainer) -> dict[str, Part]:
    probes = await (await container.get(StoreWatch)).probes()
    parts = {
        name: Part(error=str(probe.error) if probe.error else None, latency_ms=probe.latency_ms)
        for name, probe in probes.items()
    }
    model = (await (await container.get(ModelCheck))()).told(ENGLISH)
    trouble = None if model.status is Status.HEALTHY else model.error or str(model.status)
    return parts | {"image_model": Part(error=trouble, details=model.details)}


def _show(settings: Mapping[str, str], parts: Mapping[str, Part]) -> None:
    for name, value in settings.items():
        click.echo(f"{name}={value}")
    click.echo()
    for name, part in parts.items():
        detail = f"{part.details['model']}" if part.latency_ms is None else f"{part.latency_ms:.1f} ms"
        click.echo(_line(name, part.error, detail))
        if notice := part.details.get("notice"):
            click.echo(f"  {notice}")


def _shown(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, Secret):
        return "***"
    if isinstance(value, str):
        return _CREDENTIALS.sub("***", value)
    if isinstance(value, bool):
        return str(value).lower()
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)


def _line(name: str, error: str | None, detail: str) -> str:
    return f"{name}: FAILED - {error}" if error else f"{name}: ok ({detail})"
