"""Make one picture of a task, once, whatever happens to the process meanwhile."""

import asyncio
import contextlib
import logging
from dataclasses import dataclass
from datetime import datetime

import msgspec

from nano_banana_lab.core.generation.commission import CarryOut
from nano_banana_lab.core.generation.make_picture import NewPicture, Order
from nano_banana_lab.core.generation.paid_calls import PaidCalls, ShuttingDown
from nano_banana_lab.core.generation.ports import UpstreamRateLimited
from nano_banana_lab.core.identity.caller import Caller
from nano_banana_lab.core.identity.ports import KeySealer, SealBroken
from nano_banana_lab.core.quota.reservation import settling
from nano_banana_lab.core.quota.trial import Trial
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.shared.secrets import ApiKey
from nano_banana_lab.core.storage.insist import insist
from nano_banana_lab.core.storage.operations import CommitRefused, Operation
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks.announce import Announce
from nano_banana_lab.core.tasks.begin_item import SAY_SO_SECONDS, BeginItem, Begun
from nano_banana_lab.core.tasks.keys import ItemName, open_key
from nano_banana_lab.core.tasks.task import Failure, Interrupted, Item, ItemStatus, Task, encode
from nano_banana_lab.core.tasks.task_book import TaskBook

OUTAGE_SECONDS = 20
"""How long an item waits that was begun and then found a store away."""

REFUSALS = 5
"""How often an item waits because Google counts too many calls; then it has failed."""

REFUSED_SECONDS = 30.0
"""How long it waits then where Google does not say."""

MOST_REFUSED_SECONDS = 600.0
"""Longer than that nobody waits; a limit of the day is no matter of waiting."""

logger = logging.getLogger(__name__)


class _NotPaidFor(Exception):
    """The model has not been asked: the item can wait again, for `delay` seconds."""

    def __init__(self, delay: float) -> None:
        self.delay = delay


class _Telling:
    """Tells how one item goes on, each change after the one before."""

    def __init__(self, announce: Announce, begun: Begun) -> None:
        self._announce = announce
        self._begun = begun
        self._first: asyncio.Task[None] | None = None

    @property
    def asked(self) -> bool:
        """Whether the model has been asked; until then an item may be put back, and then there was nothing to tell."""
        return self._first is not None

    def asking(self) -> None:
        """The item is being made; nothing waits until that is told."""
        self._first = asyncio.create_task(self._announce(self._begun.task, self._begun.item))

    async def put_back(self, item: Item | None) -> None:
        """It waits again, which is no news where it was never said to be made, or is cancelled, or others had it."""
        if item is not None and (self.asked or item.status.is_final):
            await self.tell(item)

    async def tell(self, item: Item) -> None:
        """It has come to its end, or waits again."""
        if self._first is not None:
            await asyncio.wait([self._first])
        await self._announce(self._begun.task, item)


@dataclass(frozen=True, kw_only=True)
class RunItem:
    """What a worker does with each ticket the queue delivers.

    Of what `BeginItem` begins, nothing is bought twice: one whose process has died is marked by `KeepTasksMoving`
    as interrupted, and one for which the model was not asked yet waits again.
    """

    book: TaskBook
    begin: BeginItem
    announce: Announce
    carry_out: CarryOut
    trial: Trial
    sealer: KeySealer
    paid_calls: PaidCalls
    clock: Clock

    @property
    def running(self) -> dict[str, ItemName]:
        """The runs of what this process is making, and the items."""
        return self.begin.running

    async def __call__(self, ticket: str) -> None:
        """Make one picture if any is still to be made; every failure is written into the item.

        While a store is down, or the process is being stopped, nothing is begun: the items wait on, for another ticket.
        Raises ValueError for what is no ticket.
        """
        own = ItemName.of_ticket(ticket)
        try:
            await self.paid_calls.run(self._run(own))
        except ShuttingDown:
            return
        except StoreUnavailable as error:
            logger.info("an item waits for a store: %s", error, extra={"item": str(own)})

    async def _run(self, own: ItemName) -> None:
        begun = await self.begin(own)
        if begun is None:
            return
        try:
            await self._make(begun, _Telling(self.announce, begun))
        finally:
            self.running.pop(begun.item.run, None)

    async def _make(self, begun: Begun, telling: _Telling) -> None:
        try:
            made = await self._picture(begun, telling)
        except _NotPaidFor as error:
            await telling.put_back(await self.begin.put_back(begun, delay=error.delay))
        except asyncio.CancelledError:
            await self._cut_off(begun, telling)
            raise
        except UpstreamRateLimited as error:
            await self._refused(begun, telling, error)
        except LabError as error:
            await self._end(begun, telling, ItemStatus.FAILED, Failure.of(error))
        except Exception:
            logger.exception("an item failed because of a bug", extra={"item": str(begun.name)})
            await self._end(begun, telling, ItemStatus.FAILED, Failure.of(LabError()))
        else:
            if made.noted:
                logger.info("an item is completed", extra={"item": str(begun.name), "picture": made.picture.id})
                await telling.tell(self._completed(begun.item, made))
            else:
                logger.warning("a picture came after its item was given up", extra={"picture": made.picture.id})

    async def _picture(self, begun: Begun, telling: _Telling) -> NewPicture:
        """Raises `_NotPaidFor` for whatever came before the model could be asked and is nobody's fault."""
        try:
            caller = Caller(owner=begun.task.owner, api_key=await self._key(begun.task))
            return await self.carry_out.make_picture(self._order(caller, begun, telling))
        except (ShuttingDown, StoreUnavailable) as error:
            if telling.asked:
                raise
            raise _NotPaidFor(OUTAGE_SECONDS if isinstance(error, StoreUnavailable) else 0) from error

    def _order(self, caller: Caller, begun: Begun, telling: _Telling) -> Order:
        item = begun.item

        async def note(made: NewPicture) -> list[Operation]:
            return self.book.moves.ending(begun.name, self._completed(item, made), encode(item))

        return msgspec.structs.replace(
            self.carry_out.order(caller, item.commission),
            asking=telling.asking,
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

    async def _refused(self, begun: Begun, telling: _Telling, error: UpstreamRateLimited) -> None:
        """Google counts too many calls; nothing was paid, so that a batch can wait for as long as Google says."""
        delay = REFUSED_SECONDS if error.retry_after is None else error.retry_after
        passing = error.details["reason"] == "rate" and delay <= MOST_REFUSED_SECONDS
        if passing and begun.item.refusals < REFUSALS:
            await telling.put_back(await self.begin.put_back(begun, delay=delay, refusals=1))
        else:
            await self._end(begun, telling, ItemStatus.FAILED, Failure.of(error))

    async def _cut_off(self, begun: Begun, telling: _Telling) -> None:
        """The process is being stopped and waits no longer. What may have been paid for is not made again unasked."""
        if not telling.asked:
            await telling.put_back(await self.begin.hand_on(begun))
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(SAY_SO_SECONDS):
                await self._end(begun, telling, ItemStatus.INTERRUPTED, Failure.of(Interrupted()))

    async def _end(self, begun: Begun, telling: _Telling, status: ItemStatus, failure: Failure) -> None:
        """Write down that it came to nothing, and give its points back in the same step."""
        item, about = begun.item, {"item": str(begun.name), "status": status, "code": failure.code}
        logger.info("an item came to nothing", extra=about)
        ended = msgspec.structs.replace(item, status=status, failure=failure, finished_at=self._now())
        operations = self.book.moves.ending(begun.name, ended, encode(item))
        try:
            await insist(lambda: self.trial.give_back(item.reservation, along_with=operations))
        except CommitRefused as refused:
            if refused.current != encode(ended):  # given up meanwhile
                return
        except StoreUnavailable:
            logger.warning("what became of an item is found out later", extra=about)
            return
        await telling.tell(ended)

    def _completed(self, item: Item, made: NewPicture) -> Item:
        return msgspec.structs.replace(
            item, status=ItemStatus.COMPLETED, picture_id=made.picture.id, finished_at=made.picture.created_at
        )

    def _now(self) -> datetime:
        return from_milliseconds(milliseconds(self.clock.now()))
