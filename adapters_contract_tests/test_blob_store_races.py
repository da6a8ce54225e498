"""What every `BlobStore` promises when many write at once, in one process and in several."""

import asyncio
import sys

from adapters_contract_tests.blob_stores import (
    PICTURE,
    InFilesystem,
    InMemory,
    InS3,
    keep,
    keep_all,
    keys_of,
)

from nano_banana_lab.core.storage.ports import read_blob


class RacingTasks:
    async def test_blobs_may_come_and_go_while_they_are_listed(self, store):
        await keep_all(store, {f"{number:02}": b"" for number in range(30)})
        seen = []

        async for info in store.list(""):
            seen.append(info.key)
            await store.delete(f"{len(seen) + 20:02}")
            await keep(store, f"new {len(seen)}")

        assert seen[:10] == [f"{number:02}" for number in range(10)]

    async def test_racing_writers_leave_one_whole_version(self, store):
        versions = {letter: letter.encode() * size for letter, size in zip("abcdefgh", range(1, 9), strict=True)}

        async def write(letter):
            for _ in range(5):
                await keep(store, PICTURE, versions[letter] * 10_000, f"image/{letter}", {"letter": letter})

        await asyncio.gather(*map(write, versions))

        info = await store.head(PICTURE)
        letter = info.metadata["letter"]
        assert info.content_type == f"image/{letter}"
        assert await read_blob(store, PICTURE) == versions[letter] * 10_000

    async def test_readers_see_whole_versions_while_writers_race(self, store):
        await keep(store, PICTURE, b"a" * 300_000)
        writers = asyncio.gather(*(keep(store, PICTURE, letter * 300_000) for letter in [b"a", b"b", b"c"] * 5))

        seen = [await read_blob(store, PICTURE) for _ in range(10)]
        await writers

        assert {(len(data), len(set(data))) for data in seen} == {(300_000, 1)}

    async def test_puts_and_deletes_beside_each_other_do_not_disturb(self, store):
        async def come_and_go(name):
            for _ in range(10):
                await keep(store, f"deep/er/{name}.png", name.encode())
                await store.delete(f"deep/er/{name}.png")

        async with asyncio.TaskGroup() as tasks:
            for name in "abcdefgh":
                tasks.create_task(come_and_go(name))

        assert await keys_of(store) == []


class RacingProcesses:
    """For stores that several processes use at once. The binding's `recipe` makes the same store in another process."""

    async def test_racing_processes_leave_one_whole_version(self, store, recipe):
        writers = [await start_writer(recipe, letter, rounds=5) for letter in "abc"]
        for writer in writers:
            await writer.stdout.readline()
        seen = []
        while any(writer.returncode is None for writer in writers):
            seen.append(await read_blob(store, PICTURE))
            await asyncio.sleep(0)
        await asyncio.gather(*(writer.communicate() for writer in writers))

        info = await store.head(PICTURE)
        assert [writer.returncode for writer in writers] == [0, 0, 0]
        assert {(len(data), len(set(data))) for data in seen} == {(200_000, 1)}
        assert await read_blob(store, PICTURE) == info.metadata["letter"].encode() * 200_000

    async def test_a_killed_writer_leaves_only_whole_blobs(self, store, recipe):
        for puts_before_death in (1, 2):
            writer = await start_writer(recipe, "k", rounds=1000, size=5_000_000, one_key=False)
            for _ in range(puts_before_death):
                await writer.stdout.readline()
            writer.kill()
            await writer.communicate()

        infos = [info async for info in store.list("")]
        contents = {await read_blob(store, info.key) for info in infos}
        assert {info.size for info in infos} == {5_000_000}
        assert contents == {b"k" * 5_000_000}


class TestMemory(InMemory, RacingTasks): ...


class TestFilesystem(InFilesystem, RacingTasks, RacingProcesses): ...


class TestS3(InS3, RacingTasks, RacingProcesses): ...


WRITER = """
import asyncio, sys
{recipe}
async def chunks():
    for _ in range(10):
        yield {letter!r}.encode() * ({size} // 10)
async def main():
    for number in range({rounds}):
        key = {PICTURE!r} if {one_key} else f"{{number}}.png"
        await store.put(key, chunks(), content_type="image/png", metadata={{"letter": {letter!r}}})
        print(number, flush=True)
    if hasattr(store, "aclose"):
        await store.aclose()
asyncio.run(main())
"""


async def start_writer(recipe, letter, *, rounds, size=200_000, one_key=True):
    """A process that puts streams and prints a line after each."""
    script = WRITER.format(recipe=recipe, letter=letter, rounds=rounds, size=size, one_key=one_key, PICTURE=PICTURE)
    return await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
