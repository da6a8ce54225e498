"""What rows run on: real servers, started when a row first needs them, and labs of a row's own."""

import contextlib
import os
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Literal, Self, TypeVar

from tests.benchmarks.processes import Serving, beginning

from nano_banana_lab.testing.child_process import free_port
from nano_banana_lab.testing.lab_process import LabProcess, running_lab
from nano_banana_lab.testing.redis_server import RedisServer, running_redis
from nano_banana_lab.testing.s3_server import S3Server, running_s3

T = TypeVar("T")

Stores = Literal["embedded", "redis + s3"]
BOTH: tuple[Stores, ...] = ("embedded", "redis + s3")

IN_PRODUCTION = {
    "ENVIRONMENT": "production",
    "SECRET_KEY": "only-for-labs-that-live-as-long-as-a-benchmark",
    "GOOGLE_API_KEY": "bench",
    "RATE_LIMIT_REQUESTS": "100000000",
    "BATCH_MAX_PROMPTS": "1000",
}
"""As a lab is run for others; requests are counted as always, and nobody is turned away."""


class Lab(Serving):
    """A `nano-banana-lab serve` that is ready, and the settings it was started with."""

    def __init__(self, process: LabProcess, settings: dict[str, str]) -> None:
        super().__init__(process.pid, process.url)
        self.settings = settings


@dataclass
class Bench:
    """One run on these kinds of stores, each side of a row measured `rounds` times.

    `quick` runs everything in sizes that say little.
    """

    quick: bool = False
    rounds: int = 5
    kinds: tuple[Stores, ...] = BOTH
    _open: contextlib.ExitStack = field(default_factory=contextlib.ExitStack)
    _labs: int = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._open.close()

    def size(self, full: T, *, quick: T) -> T:
        """How much of something: `full`, or just enough to see that it runs."""
        return quick if self.quick else full

    @cached_property
    def folder(self) -> Path:
        """An empty folder, gone at the end."""
        return Path(self._open.enter_context(tempfile.TemporaryDirectory(prefix="nano-banana-bench-")))

    @cached_property
    def redis(self) -> RedisServer:
        return self._open.enter_context(running_redis())

    @cached_property
    def s3(self) -> S3Server:
        return self._open.enter_context(running_s3())

    @cached_property
    def gemini_url(self) -> str:
        """The stand-in for Gemini, as a process of its own; `[[slow SECONDS]]` in a prompt makes it take its time."""
        port = free_port()
        command = [sys.executable, "-m", "nano_banana_lab.testing.gemini", "--port", str(port)]
        double = self._open.enter_context(beginning(command, port))
        double.wait_ready("/")
        return double.url

    def settings(self, stores: Stores) -> dict[str, str]:
        """Fresh stores of this kind, and the stand-in as the model."""
        self._labs += 1
        own = {**IN_PRODUCTION, "GOOGLE_GEMINI_BASE_URL": self.gemini_url}
        own["DATA_DIR"] = str(self.folder / f"data-{self._labs}")
        return own if stores == "embedded" else {**own, **self._services(f"bench-{os.getpid()}-{self._labs}")}

    @contextlib.contextmanager
    def lab(self, stores: Stores, **settings: str) -> Iterator[Lab]:
        """A lab on fresh stores."""
        settings = self.settings(stores) | settings
        with running_lab(self.folder / "work", **settings) as process:
            yield Lab(process, settings)

    def _services(self, bucket: str) -> dict[str, str]:
        self.redis.flush()
        return {
            "REDIS_URL": self.redis.url,
            "R2_ENABLED": "true",
            "R2_ENDPOINT_URL": self.s3.endpoint_url,
            "R2_ACCESS_KEY_ID": self.s3.access_key_id,
            "R2_SECRET_ACCESS_KEY": self.s3.secret_access_key,
            "R2_BUCKET_NAME": self.s3.create_bucket(bucket),
        }
