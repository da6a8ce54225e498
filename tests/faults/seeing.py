"""Runs rows."""

from collections.abc import Awaitable, Callable, Iterator
from contextlib import ExitStack, contextmanager

from tests.faults.bench import Bench, Equipment
from tests.faults.outcome import Row, Seen
from tests.faults.scenes import SCENES
from tests.faults.table import GOOGLES


@contextmanager
def seeing(equipment: Equipment) -> Iterator[Callable[[Row], Awaitable[Seen]]]:
    """What runs a row. Those about Google's answers share a lab, one after the other: they leave it as they find it."""
    with ExitStack() as stack:
        shared: list[Bench] = []

        async def see(row: Row) -> Seen:
            if row.moment != GOOGLES:
                with equipment.bench(row) as bench:
                    return await SCENES[row.moment](bench)
            if not shared:
                shared.append(stack.enter_context(equipment.bench(row)))
                shared[0].lab = shared[0].start_lab()
            shared[0].row = row
            return await SCENES[row.moment](shared[0])

        yield see
