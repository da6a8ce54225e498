"""Make one picture of a task, once, whatever happens to the process meanwhile."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass, field
from datetime import datetime

import msgspec

from nano_banana_lab.core.generation.commission import CarryOut
from nano_banana_lab.core.generation.make_picture import NewPicture, Order
from nano_banana_lab.core.generation.paid_calls import PaidCalls, ShuttingDown
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.identity.ports import KeySealer, SealBroken
from nano_banana_lab.core.quota.reservation import settling
from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.core.storage.insist import insist
from nano_banana_lab.core.storage.operations import CommitRefused, Operation
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.keys import ItemName, open_key, task_key
from nano_banana_lab.core.tasks.task import (
    Failure,
    Interrupted,
    Item,
    ItemStatus,
    Task,
    decode_item,
    decode_task,
    encode,
)
from nano_banana_lab.core.tasks.task_book import TaskBook

SAY_SO_SECONDS = 3
"""How long a process that is being stopped takes to write down what became of an item; after that others find out."""

logger = logging.getLogger(__name__)


class _NotBegun(Exception):
    """Nothing has been paid for: the item can wait for somebody else."""


@dataclass(frozen=True, kw_only=True)
class RunItem:
    """What a worker does with each name the queue delivers.

    Only an item that waits is begun, and only by one: who finds it under way leaves it to whoever has it. One whose process
    has died is not bought again; `KeepTasksMoving` marks it as interrupted. `running` names what this process is making.
    """

    book: TaskBook
    announce: Announce
    carry_out: CarryOut
    trial: Trial
    sealer: KeySealer
    paid_calls: PaidCalls
    clock: Clock
    running: set[str] = field(default_factory=set, init=False)

    async def __call__(self, name: str) -> None:
        """Make the picture if it is still to be made; every failure is written into the item.

        Raises `StoreUnavailable` when it could not be begun; then it waits on.
        """
        with contextlib.suppress(ShuttingDown):  # it waits on, for another process
            await self.paid_calls.run(self._run(ItemName.read(name)))

    async def _run(self, name: ItemName) -> None:
        found = await self.book.key_values.get_many([task_key(name.owner, name.task), name.key])
        if found[0] is None or found[1] is None:  # expired
            return
        task, item = decode_task(found[0]), decode_item(found[1])
        if item.status is not ItemStatus.QUEUED:
            return
        begun = msgspec.structs.replace(item, status=ItemStatus.PROCESSING, run=new_id(), started_at=self._now())
        self.running.add(str(name))
        try:
            if await self._begin(name, begun, found[1]):
                await self.announce(task, begun)
                await self._make(task, name, begun)
        finally:
            self.running.discard(str(name))

    async def _begin(self, name: ItemName, begun: Item, kept_as: bytes) -> bool:
        """Whether the item is ours."""
        try:
            await insist(lambda: self.book.key_values.commit(*self.book.beginning(name, begun, kept_as)))
        except CommitRefused as refused:
            return refused.current == encode(begun)  # by an earlier try whose answer was lost
        return True

    async def _make(self, task: Task, name: ItemName, item: Item) -> None:
        try:
            made = await self._picture(task, name, item)
        except _NotBegun:
            await self._put_back(task, item)
        except asyncio.CancelledError:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(SAY_SO_SECONDS):
                    await self._end(task, name, item, ItemStatus.INTERRUPTED, Failure.of(Interrupted()))
            raise
        except LabError as error:
            await self._end(task, name, item, ItemStatus.FAILED, Failure.of(error))
        except Exception:
            logger.exception("an item failed because of a bug", extra={"item": str(name)})
            await self._end(task, name, item, ItemStatus.FAILED, Failure.of(LabError()))
        else:
            if made.noted:
                logger.info("an item is completed", extra={"item": str(name), "picture": made.picture.id})
                await self.announce(task, self._completed(item, made))
            else:
                logger.warning("a picture came after its item was given up", extra={"picture": made.picture.id})

    async def _picture(self, task: Task, name: ItemName, item: Item) -> NewPicture:
        """Raises `_NotBegun` for whatever came before the model could be asked and is nobody's fault."""
        asked = asyncio.Event()
        try:
            caller = Caller(owner=task.owner, api_key=await self._key(task))
            return await self.carry_out.make_picture(self._order(caller, name, item, asked))
        except (ShuttingDown, StoreUnavailable) as error:
            if asked.is_set():
                raise
            raise _NotBegun from error

    def _order(self, caller: Caller, name: ItemName, item: Item, asked: asyncio.Event) -> Order:
        async def note(made: NewPicture) -> list[Operation]:
            return self.book.ending(name, self._completed(item, made), encode(item))

        return msgspec.structs.replace(
            self.carry_out.order(caller, item.commission),
            asking=asked.set,
            note=note,
            prepaid=settling(item.reservation) if item.reservation else (),
            patient=True,
        )

    async def _key(self, task: Task) -> ApiKey | None:
        """The key that the owner brought, if any. Raises `SealBroken` when it cannot be read any more."""
        sealed = await self.book.key_values.get(open_key(task.owner, task.id))
        if sealed is None:  # never without a word at the operator's expense
            raise SealBroken
        return self.sealer.unseal(sealed, context=task.id) if sealed else None

    async def _end(self, task: Task, name: ItemName, item: Item, status: ItemStatus, failure: Failure) -> None:
        """Write down that it came to nothing, and give its points back in the same step."""
        logger.info("an item came to nothing", extra={"item": str(name), "status": status, "code": failure.code})
        ended = msgspec.structs.replace(item, status=status, failure=failure, finished_at=self._now())
        operations = self.book.ending(name, ended, encode(item))
        try:
            await insist(lambda: self.trial.give_back(item.reservation, along_with=operations))
        except CommitRefused as refused:
            if refused.current != encode(ended):  # given up meanwhile
                return
        except StoreUnavailable:
            logger.warning("what became of an item is found out later", extra={"item": str(name)})
            return
        await self.announce(task, ended)

    async def _put_back(self, task: Task, item: Item) -> None:
        waiting = msgspec.structs.replace(item, status=ItemStatus.QUEUED, run="", started_at=None)
        with contextlib.suppress(CommitRefused, StoreUnavailable):  # else it is marked as interrupted in a while
            await insist(lambda: self.book.key_values.commit(*self.book.lining_up(task, waiting, encode(item))))
            await self.announce(task, waiting)

    def _completed(self, item: Item, made: NewPicture) -> Item:
        return msgspec.structs.replace(
            item, status=ItemStatus.COMPLETED, picture_id=made.picture.id, finished_at=made.picture.created_at
        )

    def _now(self) -> datetime:
        return from_milliseconds(milliseconds(self.clock.now()))
