"""What a running lab does besides answering."""

import asyncio
import logging

from dishka import AsyncContainer

from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.history.delete_pictures import DeletePictures
from nano_banana_lab.core.history.keep_picture import KeepPicture
from nano_banana_lab.core.shared.errors import LabError

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_ROUNDS = 60


async def do_chores(container: AsyncContainer) -> None:
    """First what would delay the first answer if it came before it, then the regular rounds; until cancelled."""
    await (await container.get(ImageModels)).default.warm_up()
    while True:
        try:
            await _make_a_round(container)
        except LabError as error:
            logger.warning("a round of chores was cut short; the next one goes on: %s", error)
        except Exception:
            logger.exception("a round of chores failed; the next one tries again")
        await asyncio.sleep(SECONDS_BETWEEN_ROUNDS)


async def _make_a_round(container: AsyncContainer) -> None:
    if listed := await (await container.get(KeepPicture)).list_the_unlisted():
        logger.info("pictures entered in the history that could not be before", extra={"pictures": listed})
    if emptied := await (await container.get(DeletePictures)).empty_trash():
        logger.info("deletions finished", extra={"pictures": emptied})
