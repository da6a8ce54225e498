"""How each store is broken and mended, from outside the lab."""

import resource
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from nano_banana_lab.testing.child_process import free_port

if TYPE_CHECKING:
    from tests.faults.bench import Bench


@dataclass(frozen=True)
class Fault:
    """`told_by` is in the lab's log once it has met the fault, when it logs that."""

    go_wrong: "Callable[[Bench], object]"
    get_well: "Callable[[Bench], object]"
    told_by: str | None = None


def _fill_the_disk(bench: "Bench") -> None:
    """No write of the lab's to any file succeeds any more; a limit of its process does what a full disk would."""
    _, hard = resource.prlimit(bench.lab.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(bench.lab.pid, resource.RLIMIT_FSIZE, (0, hard))


def _make_room(bench: "Bench") -> None:
    _, hard = resource.prlimit(bench.lab.pid, resource.RLIMIT_FSIZE)
    resource.prlimit(bench.lab.pid, resource.RLIMIT_FSIZE, (hard, hard))


FAULTS = {
    "Redis refuses": Fault(lambda bench: bench.redis.stop(), lambda bench: bench.redis.start()),
    "Redis hangs": Fault(lambda bench: bench.redis.pause(), lambda bench: bench.redis.resume()),
    "Redis is full": Fault(
        lambda bench: bench.redis.ask("CONFIG", "SET", "maxmemory", "1"),
        lambda bench: bench.redis.ask("CONFIG", "SET", "maxmemory", "0"),
    ),
    "Redis is read-only": Fault(
        lambda bench: bench.redis.ask("REPLICAOF", "127.0.0.1", free_port()),
        lambda bench: bench.redis.ask("REPLICAOF", "NO", "ONE"),
    ),
    "Redis loses all data": Fault(lambda bench: bench.redis.flush(), lambda bench: None),
    "S3 refuses": Fault(lambda bench: bench.s3.refuse(), lambda bench: bench.s3.get_well(), "blob store:"),
    "S3 hangs": Fault(lambda bench: bench.s3.hang(), lambda bench: bench.s3.get_well(), "blob store:"),
    "S3 answers 500": Fault(lambda bench: bench.s3.fail(), lambda bench: bench.s3.get_well(), "blob store:"),
    "S3 is slow": Fault(lambda bench: bench.s3.slow_down(), lambda bench: bench.s3.get_well()),
    "no room for the index": Fault(_fill_the_disk, _make_room, "cannot be used"),
    "no room for pictures": Fault(_fill_the_disk, _make_room, "blob store:"),
    "no room for either": Fault(_fill_the_disk, _make_room, "blob store:"),
}
"""By the name that rows have for them."""
