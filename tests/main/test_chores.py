"""What a running lab does besides answering."""

import asyncio
from pathlib import Path
from typing import Any

from nano_banana_lab.core.generation.generate_image import generate_image
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.operations import Put
from nano_banana_lab.core.storage.ports import KeyValueStore
from nano_banana_lab.core.tasks.keep_moving import KeepTasksMoving
from nano_banana_lab.core.tasks.keys import RUNNING, ItemName
from nano_banana_lab.core.tasks.task import Item, ItemStatus, encode
from nano_banana_lab.main import chores
from nano_banana_lab.main.container import make_container
from nano_banana_lab.main.read_settings import read_settings

COMMISSION = generate_image("a corgi", ImageSettings())


async def test_signs_of_life_are_given_while_a_round_takes_its_time(tmp_path: Path, monkeypatch: Any) -> None:
    monkeypatch.setattr(chores, "SECONDS_BETWEEN_SIGNS_OF_LIFE", 0)
    container = make_container(read_settings({"DATA_DIR": str(tmp_path)}))
    keep_moving, store = await container.get(KeepTasksMoving), await container.get(KeyValueStore)
    in_a_round = asyncio.Event()

    async def endless() -> None:
        in_a_round.set()
        await asyncio.get_running_loop().create_future()

    monkeypatch.setattr(keep_moving, "close_what_is_over", endless)
    doing = asyncio.create_task(chores.do_chores(container))
    await in_a_round.wait()
    name = ItemName(OwnerId("alice"), "a-task", 0)
    made = Item(index=0, commission=COMMISSION, status=ItemStatus.PROCESSING, run="of this process")
    await store.commit(Put(key=name.key, value=encode(made)))
    keep_moving.run_item.running[made.run] = name
    while not await store.count(RUNNING):  # noqa: ASYNC110 - a store tells nobody
        await asyncio.sleep(0)
    doing.cancel()
    await asyncio.wait([doing])
    await container.close()

    assert doing.cancelled()
