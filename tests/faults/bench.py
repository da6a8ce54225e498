"""A running lab, everything it depends on, and a look behind its back."""

import asyncio
import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path

from tests.e2e.store_setups import EmbeddedStores, ServiceStores
from tests.faults.outcome import PICTURE, SIDECAR, Row
from tests.faults.proxies import ReplyProxy, S3Proxy

from nano_banana_lab.testing.child_process import free_port, mortal
from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, running_lab
from nano_banana_lab.testing.redis_server import RedisServer, running_redis
from nano_banana_lab.testing.s3_server import S3Server

SETTINGS = {
    "GOOGLE_API_KEY": "the-key-of-the-operator",
    "RETRY_DELAYS": "0.01,0.01,0.01",
    "TRIAL_ENABLED": "true",
    "TRIAL_GLOBAL_QUOTA": "1000",
    "TRIAL_BASIC_1K_LIMIT": "1000",
    "TRIAL_BATCH_1K_LIMIT": "1000",
    "TRIAL_COOLDOWN_SECONDS": "0",
    "SECRET_KEY": "one key for every process of a row",
    "RATE_LIMIT_ENABLED": "false",
    "GENERATION_TIMEOUT_SECONDS": "120,120,2",
}
"""Of every lab: all that is made is counted, and who asks for 4K has little time."""

_POOL = re.compile(r"quota/[\d-]+/pool")
_PROJECT = Path(__file__).parents[2]


@dataclass
class Bench:
    """The processes of one row. `lab` is the one that the client talks to, `redis` and `s3` are what can be broken."""

    row: Row
    folder: Path
    gemini: GeminiDouble
    redis: RedisServer
    s3: S3Proxy
    replies: ReplyProxy
    settings: dict[str, str]
    kept_by: Callable[[], dict[str, bytes]]
    pools: Callable[[], list[dict[str, int]]]
    reservations: Callable[[], list[bytes]]
    processes: ExitStack
    lab: LabProcess = field(init=False)
    clock: Path = field(init=False)
    _numbers: Iterator[int] = field(default_factory=count)

    def __post_init__(self) -> None:
        self.clock = self.folder / "seconds-ahead"
        self.set_clock(0)

    def start_lab(self, **settings: str) -> LabProcess:
        """One more process on the same stores."""
        where = self.folder / f"lab-{next(self._numbers)}"
        return self.processes.enter_context(running_lab(where, **{**self.settings, **settings}))

    def start_jumping_lab(self) -> LabProcess:
        """The same, with a clock that `set_clock` sets."""
        return self.processes.enter_context(_jumping_lab(self.clock, self.settings))

    def set_clock(self, seconds: float) -> None:
        """How far such a lab's clock is ahead of the host's."""
        new = self.folder / "new-seconds-ahead"
        new.write_text(str(seconds))
        new.replace(self.clock)

    def files(self) -> set[str]:
        """The names of all pictures and sidecars."""
        return {key for key in self.kept_by() if key.endswith((".jpg", ".png", ".json"))}

    def points(self) -> int:
        """Spent and set aside, on all days."""
        return sum(pool["points"] for pool in self.pools())


def kinds(files: set[str]) -> tuple[str, ...]:
    """What these files are."""
    sidecar, picture = (
        any(key.endswith(".json") for key in files),
        any(not key.endswith(".json") for key in files),
    )
    return (SIDECAR,) * sidecar + (PICTURE,) * picture


@dataclass(frozen=True)
class Equipment:
    """What rows share: nothing of it is ever broken."""

    folder: Path
    gemini: GeminiDouble
    s3: S3Server
    proxies: asyncio.AbstractEventLoop
    _numbers: Iterator[int] = field(default_factory=count)

    @contextmanager
    def bench(self, row: Row) -> Iterator[Bench]:
        """Everything but the lab itself, of its own and empty."""
        number = next(self._numbers)
        folder = self.folder / f"row-{number}"
        folder.mkdir()
        with ExitStack() as stack:
            redis = stack.enter_context(running_redis(appendonly=True))
            s3, replies = S3Proxy(self.proxies, self.s3.port), ReplyProxy(self.proxies, redis.port)
            for proxy in (s3, replies):
                proxy.listen()
                stack.callback(proxy.refuse)
            services = ServiceStores(redis, self.s3, f"faults-{os.getpid()}-{number}")
            services.settings["R2_ENDPOINT_URL"] = s3.url
            embedded = EmbeddedStores(folder / "data")
            in_redis, in_s3 = row.stores.startswith("redis"), row.stores.endswith("s3")
            settings = embedded.settings | {
                name: value for name, value in services.settings.items() if (in_redis if name == "REDIS_URL" else in_s3)
            }
            yield Bench(
                row=row,
                folder=folder,
                gemini=self.gemini,
                redis=redis,
                s3=s3,
                replies=replies,
                settings=settings | SETTINGS | {"GOOGLE_GEMINI_BASE_URL": self.gemini.url},
                kept_by=services.blobs if in_s3 else embedded.blobs,
                pools=partial(_pools_in_redis, redis) if in_redis else partial(_pools_in_sqlite, embedded),
                reservations=lambda: redis.ask("KEYS", "nbl:v:quota/reservation/*"),
                processes=stack,
            )


def _pools_in_redis(redis: RedisServer) -> list[dict[str, int]]:
    pools = [redis.ask("HGETALL", key) for key in redis.ask("KEYS", "nbl:c:quota/*/pool")]
    return [{field.decode(): int(amount) for field, amount in pool.items()} for pool in pools]


def _pools_in_sqlite(stores: EmbeddedStores) -> list[dict[str, int]]:
    return [kept for name, kept in stores.index().items() if _POOL.fullmatch(name)]


@contextmanager
def _jumping_lab(clock: Path, settings: dict[str, str]) -> Iterator[LabProcess]:
    port = free_port()
    environment = {"PATH": os.environ.get("PATH", os.defpath), "HOST": "127.0.0.1", "PORT": str(port), **settings}
    process = subprocess.Popen(
        mortal([sys.executable, "-m", "tests.faults.jumping_lab"]),
        cwd=_PROJECT,
        env=environment | {"CLOCK_FILE": str(clock)},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )
    lab = LabProcess(process, f"http://127.0.0.1:{port}")
    try:
        lab.wait_ready()
        yield lab
    finally:
        assert process.stdin is not None
        process.stdin.close()
        lab.wait()
