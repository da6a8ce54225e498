"""What is peculiar to blobs in a directory."""

import asyncio
import io
import os
import shutil
import sys
import threading
import time
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from nano_banana_lab.adapters.filesystem import blob_store as adapter
from nano_banana_lab.adapters.filesystem.blob_files import LEFTOVER_SECONDS, BlobFile
from nano_banana_lab.adapters.filesystem.blob_paths import MAX_FILE_NAME, keys_below, path_of
from nano_banana_lab.adapters.filesystem.blob_store import FilesystemBlobStore
from nano_banana_lab.core.storage.ports import BlobNotFound, StoreUnavailable, read_blob

PICTURE = "users/anonymous/2026/11/22/x.png"
LARGE = bytes(range(256)) * 20_000

KEYS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("./%\\+a-"), min_size=1, max_size=1000
).filter(lambda key: len(key.encode()) <= 1000)


@pytest.fixture
def root(tmp_path):
    return tmp_path / "blobs"


@pytest.fixture
def store(root):
    return FilesystemBlobStore(root)


async def keep(store, key=PICTURE, data=b"picture", content_type="image/png", metadata=None):
    return await store.put(key, data, content_type=content_type, metadata=metadata)


async def keys_of(store, prefix=""):
    return [info.key async for info in store.list(prefix)]


async def every_method(store):
    """What each method of the store says, by its name."""
    calls = {
        "put": keep(store),
        "put stream": keep(store, data=endless()),
        "open": store.open(PICTURE),
        "head": store.head(PICTURE),
        "delete": store.delete(PICTURE),
        "list": keys_of(store),
        "ping": store.ping(),
    }
    results = await asyncio.gather(*calls.values(), return_exceptions=True)
    return dict(zip(calls, map(type, results), strict=True))


async def endless():
    while True:
        yield LARGE


def files_below(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if not path.is_dir())


def open_files():
    return sorted(os.listdir("/dev/fd"))  # noqa: PTH208 - iterdir opens one more


class TestLayout:
    async def test_an_ordinary_key_is_the_path_of_a_plain_file(self, store, root):
        await keep(store)

        assert files_below(root) == [PICTURE]
        assert (root / PICTURE).read_bytes() == b"picture"

    async def test_a_picture_with_metadata_can_be_looked_at(self, store, root):
        buffer = io.BytesIO()
        Image.new("RGB", (3, 2), "yellow").save(buffer, "PNG")
        await keep(store, data=buffer.getvalue(), metadata={"prompt": "a banana"})

        with Image.open(root / PICTURE) as picture:
            picture.load()
            assert picture.size == (3, 2)
        assert files_below(root) == [PICTURE]

    async def test_a_blob_that_ends_like_a_blob_with_details_is_kept_as_it_is(self, store, root):
        await keep(store, "a.png", b"inner", metadata={"a": "b"})
        imitation = (root / "a.png").read_bytes()
        await keep(store, "b.png", imitation)

        assert await read_blob(store, "b.png") == imitation
        assert (await store.head("b.png")).metadata == {}

    @pytest.mark.parametrize("end", [b"\nblob-details-1\n", b"\xff\xff\xff\xff\nblob-details-1\n", bytes(19)])
    async def test_a_blob_that_ends_in_a_broken_imitation_is_kept_as_it_is(self, store, end):
        await keep(store, data=b"data" + end)

        assert await read_blob(store, PICTURE) == b"data" + end

    async def test_a_picture_copied_in_by_hand_is_a_blob(self, store, root):
        (root / "holiday").mkdir(parents=True)
        (root / "holiday/beach.jpg").write_bytes(b"picture")

        assert await read_blob(store, "holiday/beach.jpg") == b"picture"
        assert (await store.head("holiday/beach.jpg")).content_type == "image/jpeg"
        assert await keys_of(store) == ["holiday/beach.jpg"]

    async def test_passes_over_files_it_would_not_have_written(self, store, root):
        await keep(store)
        for name in [".DS_Store", "no-suffix", "v1.0/x.png", "%zz", "a%2e.png", b"\xff.png", "a\nb.png", "x%+/y.png"]:
            path = root / os.fsdecode(name)
            path.parent.mkdir(exist_ok=True)
            path.touch()

        assert await keys_of(store) == [PICTURE]

    async def test_a_delete_takes_the_empty_folders_with_it(self, store, root):
        await keep(store, "users/a/1.png")
        await keep(store, "users/b/1.png")

        await store.delete("users/b/1.png")

        assert [path.name for path in (root / "users").iterdir()] == ["a"]

    @given(KEYS)
    def test_every_key_has_a_path_of_proper_names(self, key):
        *folders, last = path_of(key)

        names = [*folders, last]
        assert all(0 < len(name.encode()) <= MAX_FILE_NAME for name in names)
        assert not any(name.startswith(".") or "/" in name for name in names)
        assert "." in last
        assert not any("." in folder for folder in folders)

    @given(st.sets(KEYS.filter(lambda key: key.count("/") < 20), max_size=8))
    def test_keys_can_be_told_from_their_paths(self, keys):
        with TemporaryDirectory() as root:
            for key in keys:
                path = Path(root).joinpath(*path_of(key))
                path.parent.mkdir(parents=True, exist_ok=True)
                path.touch(exist_ok=False)

            assert list(keys_below(Path(root), "")) == sorted(keys, key=str.encode)


class TestLinksAndOtherThings:
    @pytest.fixture
    def outside(self, tmp_path):
        folder = tmp_path / "outside"
        folder.mkdir()
        (folder / "x.png").write_bytes(b"secret")
        return folder

    async def test_no_blob_is_written_through_a_linked_folder(self, store, root, outside):
        await store.ping()
        (root / "users").symlink_to(outside)

        for key in ["users/y.png", "users/deep/y.png"]:
            with pytest.raises(StoreUnavailable):
                await keep(store, key)
        assert files_below(outside) == ["x.png"]

    async def test_nothing_is_read_listed_or_deleted_through_a_linked_folder(self, store, root, outside):
        await store.ping()
        (root / "users").symlink_to(outside)

        with pytest.raises(BlobNotFound):
            await store.open("users/x.png")
        await store.delete("users/x.png")
        assert await keys_of(store) == await keys_of(store, "users/") == []
        assert files_below(outside) == ["x.png"]

    async def test_a_linked_file_is_replaced_and_its_target_untouched(self, store, root, outside):
        await store.ping()
        (root / "x.png").symlink_to(outside / "x.png")
        with pytest.raises(BlobNotFound):
            await store.open("x.png")

        await keep(store, "x.png", b"mine")

        assert await read_blob(store, "x.png") == b"mine"
        assert (outside / "x.png").read_bytes() == b"secret"

    async def test_nothing_is_written_into_a_linked_incoming_folder(self, store, root, outside):
        root.mkdir()
        (root / ".incoming").symlink_to(outside)

        with pytest.raises(StoreUnavailable):
            await keep(store)
        assert files_below(outside) == ["x.png"]

    async def test_the_root_itself_may_be_a_link(self, tmp_path, outside):
        (tmp_path / "link").symlink_to(outside)

        await keep(FilesystemBlobStore(tmp_path / "link"))

        assert (outside / PICTURE).read_bytes() == b"picture"

    async def test_a_pipe_is_not_a_blob_and_hangs_nobody(self, store, root):
        root.mkdir()
        os.mkfifo(root / "x.png")

        with pytest.raises(BlobNotFound):
            await store.open("x.png")


class TestTrouble:
    async def test_a_root_that_is_a_file_is_an_unavailable_store_until_that_is_mended(self, store, root):
        root.write_bytes(b"")

        assert set((await every_method(store)).values()) == {StoreUnavailable}
        root.unlink()
        await keep(store)
        assert await read_blob(store, PICTURE) == b"picture"

    async def test_a_root_that_goes_away_does_not_make_blobs_missing(self, store, root):
        await keep(store)
        root.rename(root.with_name("unplugged"))

        with pytest.raises(StoreUnavailable):
            await store.head(PICTURE)
        with pytest.raises(StoreUnavailable):
            await keys_of(store)

    async def test_a_root_that_goes_away_is_not_made_anew(self, store, root):
        await store.put("x.png", b"x", content_type="image/png")
        shutil.rmtree(root)

        with pytest.raises(StoreUnavailable):
            await store.ping()
        with pytest.raises(StoreUnavailable):
            await store.put("y.png", b"y", content_type="image/png")
        assert not root.exists()

    async def test_a_full_disk_is_an_unavailable_store_and_keeps_the_old_blob(self, store, root):
        await keep(store)
        script = f"""
import asyncio, resource
from pathlib import Path
from nano_banana_lab.adapters.filesystem.blob_store import FilesystemBlobStore
async def main():
    store = FilesystemBlobStore(Path({str(root)!r}))
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, resource.RLIM_INFINITY))
    for data in (bytes(100_001), bytes(9_000_000)):
        try:
            await store.put({PICTURE!r}, data, content_type="image/png")
        except Exception as error:
            print(type(error).__name__, error.details)
    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    await store.put("after.png", bytes(9_000_000), content_type="image/png")
asyncio.run(main())
"""
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
        output, _ = await child.communicate()

        assert output.decode().splitlines() == ["StoreUnavailable {'store': 'blob store'}"] * 2
        assert files_below(root) == ["after.png", PICTURE]
        assert await read_blob(store, PICTURE) == b"picture"

    async def test_what_a_killed_writer_leaves_is_never_listed_and_goes_after_an_hour(self, store, root):
        script = f"""
import asyncio
from pathlib import Path
from nano_banana_lab.adapters.filesystem.blob_store import FilesystemBlobStore
async def forever():
    yield bytes(9_000_000)
    print("written", flush=True)
    await asyncio.Event().wait()
asyncio.run(FilesystemBlobStore(Path({str(root)!r})).put("x.png", forever(), content_type="image/png"))
"""
        child = await asyncio.create_subprocess_exec(sys.executable, "-c", script, stdout=asyncio.subprocess.PIPE)
        await child.stdout.readline()
        child.kill()
        await child.communicate()

        [leftover] = (root / ".incoming").iterdir()
        assert await keys_of(store) == []
        assert leftover.exists()
        long_ago = time.time() - LEFTOVER_SECONDS - 1
        os.utime(leftover, (long_ago, long_ago))
        assert await keys_of(FilesystemBlobStore(root)) == []
        assert not leftover.exists()

    async def test_gives_up_on_a_step_that_hangs_and_releases_what_comes_of_it(self, store, root, monkeypatch):
        monkeypatch.setattr(adapter, "_PATIENCE", 0.1)
        await keep(store)
        files = open_files()
        answers, released = threading.Event(), asyncio.Event()
        loop = asyncio.get_running_loop()

        def hang():
            answers.wait()
            return adapter.open_blob(root, PICTURE)

        def release(blob):
            BlobFile.close(blob)
            loop.call_soon(released.set)

        with pytest.raises(StoreUnavailable):
            await store._disk.run_for(release, hang)
        answers.set()
        await released.wait()
        assert open_files() == files

    async def test_a_file_cut_short_is_an_unavailable_store(self, store, root):
        await keep(store, data=LARGE)
        reader = await store.open(PICTURE)
        os.truncate(root / PICTURE, 10)

        with pytest.raises(StoreUnavailable):
            [chunk async for chunk in reader]


class TestOpenFiles:
    async def test_abandoned_readers_leave_no_file_open(self, store):
        await keep(store, data=LARGE)
        files = open_files()

        for _ in range(50):
            reader = await store.open(PICTURE)
            await anext(aiter(reader))
            await reader.aclose()

        assert open_files() == files

    async def test_refused_ranges_and_missing_blobs_leave_no_file_open(self, store):
        await keep(store)
        files = open_files()

        for start in range(50):
            with pytest.raises(ValueError, match="bytes"):
                await store.open(PICTURE, start=100 + start)
            with pytest.raises(BlobNotFound):
                await store.open("users")

        assert open_files() == files

    async def test_cancelled_readers_and_writers_leave_no_file_open_and_nothing_behind(self, store, root):
        await keep(store, data=LARGE)
        files = open_files()
        tasks = [asyncio.create_task(read_blob(store, PICTURE)) for _ in range(30)]
        tasks += [asyncio.create_task(keep(store, f"{number}.png", endless())) for number in range(5)]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)

        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        await asyncio.to_thread(store._disk._threads.shutdown)
        await asyncio.sleep(0)

        assert files_below(root) == [PICTURE]
        assert open_files() == files
