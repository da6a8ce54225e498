"""Small copies: made when first looked at, kept, and gone with their picture."""

import asyncio
from io import BytesIO
from typing import Any

import pytest
from PIL import Image

from nano_banana_lab.core.history.keys import thumbnail_key
from nano_banana_lab.core.history.picture import ImageNotFound
from nano_banana_lab.core.history.ports import InvalidImage
from nano_banana_lab.core.history.thumbnail import AT_ONCE
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import read_blob
from nano_banana_lab.testing.scripted_image_model import striped_png

ALICE = OwnerId("alice")


class CountingTools:
    """Real tools that count, and stop while a test holds them."""

    def __init__(self, tools: Any) -> None:
        self._tools = tools
        self.made = 0
        self.begun = asyncio.Event()
        self.may_go_on = asyncio.Event()
        self.may_go_on.set()

    async def inspect(self, data: bytes) -> Any:
        return await self._tools.inspect(data)

    async def thumbnail(self, data: bytes, *, longest_side: int = 512) -> bytes:
        self.made += 1
        small = await self._tools.thumbnail(data, longest_side=longest_side)
        self.begun.set()
        await self.may_go_on.wait()
        return small


@pytest.fixture
def counting_lab(open_lab: Any, lab: Any) -> Any:
    return open_lab(tools=CountingTools(lab.tools))


async def test_a_small_copy_is_webp_with_512_pixels_on_its_longest_side(lab: Any) -> None:
    lab.model.then(striped_png(1376, 768))
    made = await lab.generate()
    small = Image.open(BytesIO(await lab.thumbnail(made.picture)))

    assert (small.format, max(small.size)) == ("WEBP", 512)
    assert small.width / small.height == pytest.approx(1376 / 768, rel=0.01)


async def test_it_is_made_once(counting_lab: Any) -> None:
    picture = await counting_lab.kept()
    first, second = await counting_lab.thumbnail(picture), await counting_lab.thumbnail(picture)

    assert first == second
    assert counting_lab.tools.made == 1
    assert (await counting_lab.blobs.head(thumbnail_key(picture.key))).content_type == "image/webp"


async def test_however_many_ask_at_once_it_is_made_once(counting_lab: Any) -> None:
    picture = await counting_lab.kept()
    copies = await asyncio.gather(*(counting_lab.thumbnail(picture) for _ in range(20)))

    assert counting_lab.tools.made == 1
    assert set(copies) == {await read_blob(counting_lab.blobs, thumbnail_key(picture.key))}


async def test_few_originals_are_in_memory_at_once(counting_lab: Any) -> None:
    pictures = [await counting_lab.kept() for _ in range(6)]
    counting_lab.tools.may_go_on.clear()
    asking = [asyncio.create_task(counting_lab.thumbnail(picture)) for picture in pictures]
    await counting_lab.tools.begun.wait()
    await asyncio.gather(*(asyncio.sleep(0) for _ in range(50)))

    assert counting_lab.tools.made <= AT_ONCE
    counting_lab.tools.may_go_on.set()
    await asyncio.gather(*asking)
    assert counting_lab.tools.made == 6


async def test_making_it_leaves_the_picture_as_it_was(lab: Any) -> None:
    picture = await lab.kept()
    before = await read_blob(lab.blobs, picture.key)
    await lab.thumbnail(picture)

    assert await read_blob(lab.blobs, picture.key) == before


async def test_of_a_deleted_picture_there_is_none(lab: Any) -> None:
    picture = await lab.kept()
    await lab.thumbnail(picture)
    await lab.delete(ALICE, [picture.id])

    with pytest.raises(ImageNotFound):
        await lab.thumbnail(picture)
    assert await lab.files() == []


async def test_deleting_while_it_is_being_made_leaves_nothing(counting_lab: Any) -> None:
    lab, tools = counting_lab, counting_lab.tools
    picture = await lab.kept()
    tools.may_go_on.clear()
    looking = asyncio.create_task(lab.thumbnail(picture))
    await tools.begun.wait()
    await lab.delete(ALICE, [picture.id])
    tools.may_go_on.set()

    with pytest.raises(ImageNotFound):
        await looking
    assert await lab.files() == []


async def test_many_looking_for_the_first_time_get_the_same(lab: Any) -> None:
    picture = await lab.kept()
    copies = await asyncio.gather(*(lab.thumbnail(picture) for _ in range(5)))

    assert set(copies) == {await read_blob(lab.blobs, thumbnail_key(picture.key))}


async def test_of_a_broken_picture_nothing_is_stored(lab: Any) -> None:
    picture = await lab.kept()
    await lab.blobs.put(picture.key, b"not a picture any more", content_type="image/png")

    with pytest.raises(InvalidImage):
        await lab.thumbnail(picture)
    assert len(await lab.files()) == 2
