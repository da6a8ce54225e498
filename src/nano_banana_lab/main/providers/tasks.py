"""What is made in the background."""

from collections.abc import AsyncIterator

from dishka import Provider, Scope, provide, provide_all

from nano_banana_lab.core.identity.ports import KeySealer
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.storage.ports import KeyValueStore
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.begin_item import BeginItem
from nano_banana_lab.core.tasks.cancel_item import CancelItem
from nano_banana_lab.core.tasks.cancel_task import CancelTask
from nano_banana_lab.core.tasks.hold_pictures import HoldPictures
from nano_banana_lab.core.tasks.keep_moving import KeepTasksMoving
from nano_banana_lab.core.tasks.line_up import LineUp
from nano_banana_lab.core.tasks.ports import EventBus, TaskQueue
from nano_banana_lab.core.tasks.retry_task import RetryTask
from nano_banana_lab.core.tasks.run_item import RunItem
from nano_banana_lab.core.tasks.set_waiting import SetWaiting
from nano_banana_lab.core.tasks.submit_task import SubmitTask
from nano_banana_lab.core.tasks.task_book import TaskBook
from nano_banana_lab.core.tasks.task_moves import TaskMoves
from nano_banana_lab.core.tasks.turns import Turns
from nano_banana_lab.main.secret_key import SigningKey
from nano_banana_lab.main.settings import Settings


class Tasks(Provider):
    """Docket on Redis when it is configured, else on its stand-in for Redis in this process's memory."""

    scope = Scope.APP

    @provide
    async def task_queue(self, settings: Settings) -> AsyncIterator[TaskQueue]:
        from nano_banana_lab.adapters.docket.task_queue import DocketTaskQueue

        url = settings.redis_url.reveal() if settings.redis_url else f"memory://{new_id()}"
        queue = DocketTaskQueue(url)
        yield queue
        await queue.aclose()

    @provide
    async def event_bus(self, settings: Settings, clock: Clock) -> AsyncIterator[EventBus]:
        if settings.redis_url is None:
            from nano_banana_lab.adapters.memory.event_bus import MemoryEventBus

            yield MemoryEventBus(clock)
            return
        from nano_banana_lab.adapters.redis.connection import connect
        from nano_banana_lab.adapters.redis.event_bus import RedisEventBus

        client = connect(settings.redis_url.reveal())
        bus = RedisEventBus(client)
        yield bus
        await bus.aclose()
        await client.aclose()

    @provide
    def key_sealer(self, key: SigningKey) -> KeySealer:
        from nano_banana_lab.adapters.cryptography.key_sealer import AesKeySealer

        return AesKeySealer(key)

    @provide
    def task_book(self, settings: Settings, key_values: KeyValueStore, clock: Clock) -> TaskBook:
        moves = TaskMoves(clock=clock, ttl_seconds=settings.task_ttl_seconds)
        return TaskBook(key_values=key_values, moves=moves)

    taking_turns = provide_all(LineUp, Turns, BeginItem)
    use_cases = provide_all(
        Announce, HoldPictures, SetWaiting, SubmitTask, RunItem, CancelItem, CancelTask, RetryTask, KeepTasksMoving
    )
