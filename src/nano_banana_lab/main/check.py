"""`nano-banana-lab check`: what is configured, and does it work?"""

import re

import click
import msgspec
from dishka import AsyncContainer

from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.core.storage.store_watch import StoreWatch
from nano_banana_lab.http.health import ModelCheck, Status
from nano_banana_lab.main.settings import Settings

_CREDENTIALS = re.compile(r"(?<=://)[^/\s@]+(?=@)")
"""User and password in an address."""


async def check(container: AsyncContainer) -> int:
    """Print every setting, secrets masked, and the state of each part. Returns 1 when one does not work."""
    settings = await container.get(Settings)
    for field in msgspec.structs.fields(Settings):
        click.echo(f"{field.name.upper()}={_shown(getattr(settings, field.name))}")
    click.echo()
    probes = await (await container.get(StoreWatch)).probes()
    for name, probe in probes.items():
        click.echo(_line(name, probe.error, f"{probe.latency_ms:.1f} ms"))
    model = await (await container.get(ModelCheck))()
    click.echo(_line("image_model", model.error, f"{model.details['model']}"))
    if notice := model.details.get("notice"):
        click.echo(f"  {notice}")
    works = model.status is Status.HEALTHY and not any(probe.error for probe in probes.values())
    return 0 if works else 1


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
