"""Two that work, and what two owners have submitted to the one that serves."""

from contextlib import ExitStack
from pathlib import Path

from tests.e2e.asking import guest_token, visiting
from tests.e2e.store_setups import ServiceStores
from tests.e2e.tasking import HELD, finished, submitted
from tests.e2e.trial import FOR_GUESTS

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import running_lab, running_worker
from nano_banana_lab.testing.redis_server import running_redis
from nano_banana_lab.testing.s3_server import S3Server


async def test_between_the_workers_owners_take_turns(
    folder: Path, s3_server: S3Server, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> None:
    gemini.clear()
    with running_redis() as redis, ExitStack() as processes:
        settings = ServiceStores(redis, s3_server, "turns").settings | gemini_settings | FOR_GUESTS
        for name in ("turning-one", "turning-two"):
            processes.enter_context(running_worker(folder / name, concurrency=2, **settings))
        lab = processes.enter_context(running_lab(folder / "turning", **settings, WORKER_IN_PROCESS="false"))
        many, one = [visiting(lab, token=await guest_token(lab)) for _ in range(2)]
        async with many, one:
            large = [await submitted(many, *[f"{HELD} {at}" for at in range(10)], key="theirs") for _ in range(5)]
            await gemini.until(lambda requests: len(requests) == 4)
            small = await submitted(one, "a single one", key="mine")
            gemini.release("it")
            await finished(one, small)
            for task_id in large:
                await finished(many, task_id)

    order = [request.prompt for request in gemini.requests]
    assert order.index("a single one") < 4 + 5
    assert len(order) == 51
