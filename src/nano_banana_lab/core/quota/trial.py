"""Pay for what a user makes out of the trial's points, around the work itself."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from nano_banana_lab.core.quota.ledger import Ledger
from nano_banana_lab.core.quota.refusals import refusal
from nano_banana_lab.core.quota.reservation import Reservation, settling
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import Operation
from nano_banana_lab.core.storage.ports import StoreUnavailable

RENEW_AFTER_SECONDS = 15.0
"""A lease of 60 seconds survives two renewals that fail."""

RENEW_AGAIN_AFTER_SECONDS = 1.0
"""As soon as a store is back, before somebody else takes the reservation for a dead process's."""

logger = logging.getLogger(__name__)


@dataclass(kw_only=True)
class PromptCall:
    """A prompt-writing call under way. `charged` says whether somebody may have to pay for it already."""

    charged: bool = False


@dataclass(frozen=True, kw_only=True)
class Trial:
    """Whoever brings a key of their own pays for themselves, and nothing of that is counted."""

    ledger: Ledger
    renew_after: float = RENEW_AFTER_SECONDS

    def pays(self, *, own_key: bool) -> bool:
        """Whether the trial's rules apply to a request."""
        return self.ledger.policy.enabled and not own_key

    @asynccontextmanager
    async def picture(self, owner: OwnerId, mode: str, *, own_key: bool) -> AsyncIterator[Sequence[Operation]]:
        """Points are set aside while the body runs, and given back with the cooldown when it raises.

        The body gets the operations that spend the points, to be committed together with the picture;
        their first one refuses when the points were given back meanwhile.
        Raises `TrialRefused` and `StoreUnavailable` before the body.
        """
        if not self.pays(own_key=own_key):
            yield ()
            return
        [reservation] = await self.ledger.reserve(owner, mode)
        renewals = asyncio.create_task(self._keep_renewing(reservation))
        try:
            yield settling(reservation)
        except BaseException:
            await self._give_back(reservation)
            raise
        finally:
            renewals.cancel()

    async def check(self, owner: OwnerId, mode: str, *, count: int, own_key: bool) -> None:
        """Raise `TrialRefused` when the trial would not pay for `count` pictures now. Sets nothing aside."""
        if self.pays(own_key=own_key) and (refused := refusal(await self.ledger.usage(owner), mode, count)):
            raise refused

    async def set_aside(
        self,
        owner: OwnerId,
        mode: str,
        *,
        count: int,
        own_key: bool,
        held_for: int,
        along_with: Callable[[Sequence[Reservation | None]], Sequence[Operation]],
    ) -> None:
        """Commit what `along_with` makes of the reservations for `count` pictures, with the points in the same step.

        There is one reservation for each picture, None where nothing is counted. Whoever keeps them settles each with its
        picture (`settling`) or gives it back (`give_back`); what is left after `held_for` seconds is given back by itself.
        Raises `TrialRefused`, `CommitRefused` and `StoreUnavailable`.
        """
        if self.pays(own_key=own_key):
            await self.ledger.reserve(owner, mode, count=count, held_for=held_for, along_with=along_with)
        else:
            await self.ledger.key_values.commit(*along_with([None] * count))

    async def give_back(self, reservation: Reservation | None, *, along_with: Sequence[Operation]) -> None:
        """Commit `along_with`, and in the same step the points that were set aside and are not spent.

        Raises `CommitRefused` of a condition of `along_with`, and `StoreUnavailable`.
        """
        if reservation is None:
            await self.ledger.key_values.commit(*along_with)
        else:
            await self.ledger.release(reservation, along_with=along_with)

    @asynccontextmanager
    async def prompt_call(self, owner: OwnerId, *, own_key: bool) -> AsyncIterator[PromptCall]:
        """One prompt-writing call is counted. It is uncounted when the body raises and has not made it `charged`,
        unless the store is away by then.

        Raises `PromptPoolExhausted`, `PromptLimitReached` and `StoreUnavailable` before the body.
        """
        call = PromptCall()
        if not self.pays(own_key=own_key):
            yield call
            return
        date = await self.ledger.take_prompt_call(owner)
        try:
            yield call
        except BaseException:
            if not call.charged:
                with contextlib.suppress(StoreUnavailable):
                    await self.ledger.forgive_prompt_call(owner, date)
            raise

    async def _keep_renewing(self, reservation: Reservation) -> None:
        """Until cancelled, or the reservation is gone."""
        pause = self.renew_after
        while True:
            await asyncio.sleep(pause)
            try:
                if not await self.ledger.renew(reservation):
                    return
                pause = self.renew_after
            except StoreUnavailable:
                pause = min(self.renew_after, RENEW_AGAIN_AFTER_SECONDS)
            except Exception:
                logger.exception("a renewal failed; the next one tries again")

    async def _give_back(self, reservation: Reservation) -> None:
        try:
            await self.ledger.release(reservation)
        except StoreUnavailable:
            logger.warning(
                "trial points are given back when their lease runs out", extra={"reservation": reservation.id}
            )
