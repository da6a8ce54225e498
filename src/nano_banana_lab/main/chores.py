"""What a running lab does besides answering."""

import asyncio
import logging
from collections.abc import Awaitable, Callable

from dishka import AsyncContainer

from nano_banana_lab.core.chat.chat_sessions import ChatSessions
from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.history.delete_pictures import DeletePictures
from nano_banana_lab.core.history.keep_picture import KeepPicture
from nano_banana_lab.core.quota.ledger import Ledger
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.tasks.hold_pictures import HoldPictures
from nano_banana_lab.core.tasks.keep_moving import KeepTasksMoving

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_ROUNDS = 60
SECONDS_BETWEEN_REFUNDS = 5
SECONDS_BETWEEN_LOOKS_AT_TASKS = 5
SECONDS_BETWEEN_SIGNS_OF_LIFE = 5


async def do_chores(container: AsyncContainer) -> None:
    """First what would delay the first answer if it came before it, then the regular rounds; until cancelled."""
    await (await container.get(ImageModels)).default.warm_up()
    async with asyncio.TaskGroup() as chores:
        chores.create_task(_every(SECONDS_BETWEEN_ROUNDS, lambda: _make_a_round(container)))
        chores.create_task(_every(SECONDS_BETWEEN_REFUNDS, lambda: _refund(container)))
        keep_moving = await container.get(KeepTasksMoving)
        chores.create_task(_every(SECONDS_BETWEEN_SIGNS_OF_LIFE, keep_moving.give_signs_of_life))
        chores.create_task(_every(SECONDS_BETWEEN_LOOKS_AT_TASKS, keep_moving))


async def _every(seconds: float, act: Callable[[], Awaitable[None]]) -> None:
    well = True
    while True:
        try:
            await act()
            well = True
        except LabError as error:
            if well:  # an outage is told once, not every round
                logger.warning("a chore was cut short; a later round goes on: %s", error)
            well = False
        except Exception:
            logger.exception("a chore failed; the next round tries again")
        await asyncio.sleep(seconds)


async def _make_a_round(container: AsyncContainer) -> None:
    keep = await container.get(KeepPicture)
    if forgotten := await keep.forget_the_unstored():
        logger.info("pictures given up that could not be stored", extra={"pictures": forgotten})
    if listed := await keep.list_the_unlisted():
        logger.info("pictures entered in the history that could not be before", extra={"pictures": listed})
    if emptied := await (await container.get(DeletePictures)).empty_trash():
        logger.info("deletions finished", extra={"pictures": emptied})
    if removed := await (await container.get(ChatSessions)).leftovers.remove():
        logger.info("parts of ended chats removed", extra={"chats": removed})
    if removed := await (await container.get(HoldPictures)).leftovers.remove():
        logger.info("pictures held for tasks removed", extra={"tasks": removed})


async def _refund(container: AsyncContainer) -> None:
    """Also while the trial is off, for what it owed when it was on; one small read when there is nothing to do."""
    if released := await (await container.get(Ledger)).release_expired():
        logger.info("trial points given back whose process died", extra={"reservations": released})
