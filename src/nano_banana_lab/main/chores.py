"""What a running lab does besides answering."""

import asyncio
import logging

from dishka import AsyncContainer

from nano_banana_lab.core.generation.models import ImageModels
from nano_banana_lab.core.history.delete_pictures import DeletePictures
from nano_banana_lab.core.shared.errors import LabError

logger = logging.getLogger(__name__)

SECONDS_BETWEEN_ROUNDS = 300


async def do_chores(container: AsyncContainer) -> None:
    """First what would delay the first answer if it came before it, then the regular rounds; until cancelled."""
    await (await container.get(ImageModels)).default.warm_up()
    delete_pictures = await container.get(DeletePictures)
    while True:
        try:
            await delete_pictures.empty_trash()
        except LabError as error:
            logger.warning("the trash could not be emptied; it will be in the next round: %s", error)
        await asyncio.sleep(SECONDS_BETWEEN_ROUNDS)
