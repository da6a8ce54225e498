"""What is peculiar to blobs in an S3 bucket."""

import asyncio
import contextlib
import logging
import subprocess
import sys
import traceback
from uuid import uuid4

import boto3
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nano_banana_lab.adapters.s3 import bucket as adapter
from nano_banana_lab.adapters.s3.blob_names import is_ordinary, key_of, name_of
from nano_banana_lab.adapters.s3.blob_store import S3BlobStore
from nano_banana_lab.core.storage.ports import StoreUnavailable, read_blob
from nano_banana_lab.testing.s3_server import running_s3

PICTURE = "users/anonymous/2026/11/22/x.png"
LARGE = bytes(range(256)) * 100_000
PATIENCE = 20
"""Seconds; the port promises 5, and a machine under test may be busy. Boto's own defaults would take minutes."""

KEYS = st.text(
    st.characters(exclude_categories=["Cc", "Cs"]) | st.sampled_from("./%-+a"), min_size=1, max_size=1000
).filter(lambda key: len(key.encode()) <= 1000)
STAND_INS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!$'()*,:;=@_~"


@contextlib.asynccontextmanager
async def a_store(server, **changes):
    options = {
        "endpoint_url": server.endpoint_url,
        "region": server.region,
        "access_key_id": server.access_key_id,
        "secret_access_key": server.secret_access_key,
    }
    store = S3BlobStore(**options | changes)
    try:
        yield store
    finally:
        await store.aclose()


@pytest.fixture
def bucket(s3_server):
    return s3_server.create_bucket(f"test-{uuid4().hex}")


@pytest.fixture
async def store(s3_server, bucket):
    async with a_store(s3_server, bucket=bucket) as store:
        yield store


@pytest.fixture
def other_program(s3_server):
    """A client of the bucket that knows nothing of ours."""
    client = boto3.client(
        "s3",
        endpoint_url=s3_server.endpoint_url,
        region_name=s3_server.region,
        aws_access_key_id=s3_server.access_key_id,
        aws_secret_access_key=s3_server.secret_access_key,
    )
    with contextlib.closing(client):
        yield client


@pytest.fixture(scope="module")
def breakable():
    """A server of these tests alone, to be stopped and paused."""
    with running_s3() as server:
        yield server


async def keep(store, key=PICTURE, data=b"picture"):
    return await store.put(key, data, content_type="image/png")


async def keys_of(store, prefix=""):
    return [info.key async for info in store.list(prefix)]


async def stream(*chunks):
    for chunk in chunks:
        yield chunk


async def in_two_halves(halfway, go_on):
    yield LARGE
    halfway.set()
    await go_on.wait()
    yield LARGE


async def rest_of(chunks):
    return [chunk async for chunk in chunks]


async def every_method(store, **calls):
    """What each method of the store says, by its name, and what the other calls say."""
    calls |= {
        "put": keep(store),
        "put large": keep(store, data=LARGE),
        "put stream": keep(store, data=stream(LARGE)),
        "open": store.open(PICTURE),
        "open range": store.open(PICTURE, start=1),
        "head": store.head(PICTURE),
        "delete one": store.delete(PICTURE),
        "delete many": store.delete("a", "b"),
        "list": keys_of(store),
        "ping": store.ping(),
    }
    async with asyncio.timeout(PATIENCE):
        results = await asyncio.gather(*calls.values(), return_exceptions=True)
    return dict(zip(calls, results, strict=True))


def kinds(results):
    return {name: type(result) for name, result in results.items()}


def all_unavailable(results):
    return dict.fromkeys(results, StoreUnavailable)


class TestOutage:
    async def test_a_stopped_service_is_unavailable_and_comes_back_by_itself(self, breakable):
        bucket = breakable.create_bucket(f"stopped-{uuid4().hex}")
        async with a_store(breakable, bucket=bucket) as store:
            await keep(store)
            breakable.stop()
            results = await every_method(store)
            breakable.start()
            with contextlib.suppress(Exception):
                breakable.create_bucket(bucket)  # moto has forgotten it
            await keep(store, "after.png")

            assert kinds(results) == all_unavailable(results)
            assert await read_blob(store, "after.png") == b"picture"

    async def test_a_hanging_service_is_unavailable_and_comes_back_by_itself(self, breakable):
        bucket = breakable.create_bucket(f"paused-{uuid4().hex}")
        async with a_store(breakable, bucket=bucket) as store:
            await keep(store, data=LARGE)
            chunks = aiter(await store.open(PICTURE))
            await anext(chunks)
            halfway, hangs = asyncio.Event(), asyncio.Event()
            upload = asyncio.create_task(keep(store, data=in_two_halves(halfway, hangs)))
            await halfway.wait()
            breakable.pause()
            hangs.set()
            try:
                results = await every_method(store, read_on=rest_of(chunks), upload_on=upload)
            finally:
                breakable.resume()
            await keep(store, "after.png")

            assert kinds(results) == all_unavailable(results)
            assert await read_blob(store, "after.png") == b"picture"

    async def test_nobody_listening_from_the_start_is_unavailable(self, s3_server, unused_tcp_port):
        async with a_store(s3_server, bucket="any", endpoint_url=f"http://127.0.0.1:{unused_tcp_port}") as store:
            results = await every_method(store)

            assert kinds(results) == all_unavailable(results)

    async def test_a_missing_bucket_is_unavailable(self, s3_server):
        async with a_store(s3_server, bucket="no-such-bucket") as store:
            results = await every_method(store)

            assert kinds(results) == all_unavailable(results)

    async def test_wrong_credentials_are_unavailable_and_appear_nowhere(self, breakable, caplog):
        caplog.set_level(logging.DEBUG, "nano_banana_lab")
        bucket = breakable.create_bucket(f"guarded-{uuid4().hex}")
        secrets = {"access_key_id": "unknown-key-id", "secret_access_key": "a-secret-nobody-may-see"}
        with breakable.checking_credentials():
            async with a_store(breakable, bucket=bucket, **secrets) as store:
                results = await every_method(store)

                told = caplog.text + repr(store) + repr(store._bucket)
                told += "".join("".join(traceback.format_exception(result)) for result in results.values())
                assert kinds(results) == all_unavailable(results)
                assert "403" in caplog.text
                assert not [secret for secret in secrets.values() if secret in told]


class TestConnections:
    async def test_abandoned_readers_give_their_connections_back(self, store, monkeypatch):
        monkeypatch.setattr(adapter, "_CONNECTIONS", 4)
        await keep(store, data=LARGE)

        for _ in range(12):
            reader = await store.open(PICTURE)
            await anext(aiter(reader))
            await reader.aclose()

        assert (await store.head(PICTURE)).size == len(LARGE)

    async def test_refused_ranges_give_their_connections_back(self, store, monkeypatch):
        monkeypatch.setattr(adapter, "_CONNECTIONS", 4)
        await keep(store, data=LARGE)

        for _ in range(12):
            with pytest.raises(ValueError, match="bytes"):
                await store.open(PICTURE, start=1, end=len(LARGE) + 1)

        assert (await store.head(PICTURE)).size == len(LARGE)

    async def test_cancelled_readers_give_their_connections_back(self, store, monkeypatch):
        monkeypatch.setattr(adapter, "_CONNECTIONS", 4)
        await keep(store, data=LARGE)

        for _ in range(6):
            tasks = [asyncio.create_task(read_blob(store, PICTURE)) for _ in range(8)]
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

        assert await read_blob(store, PICTURE) == LARGE

    async def test_the_client_library_is_loaded_at_first_use(self):
        program = """
import sys
from nano_banana_lab.adapters.s3.blob_store import S3BlobStore
S3BlobStore(endpoint_url=None, region="auto", bucket="b", access_key_id="a", secret_access_key="s").public_url("x")
print(sorted({"aioboto3", "aiobotocore", "aiohttp", "botocore"} & set(sys.modules)))
"""
        child = await asyncio.to_thread(subprocess.run, [sys.executable, "-c", program], stdout=subprocess.PIPE)

        assert child.stdout == b"[]\n"

    async def test_a_store_never_used_can_be_closed(self, s3_server):
        async with a_store(s3_server, bucket="any") as store:
            await store.aclose()

    async def test_a_signed_url_lives_for_a_second_to_seven_days(self, store):
        for expires_in in (0, -1, 604_801):
            with pytest.raises(ValueError, match="seven days"):
                await store.presign(PICTURE, expires_in=expires_in)

        assert await store.presign(PICTURE, expires_in=604_800)


class TestBucketSharedWithOthers:
    async def test_a_broken_stream_leaves_no_parts_behind(self, store, bucket, other_program):
        async def breaks():
            yield LARGE
            raise ConnectionResetError

        with pytest.raises(ConnectionResetError):
            await keep(store, data=breaks())

        assert other_program.list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []

    async def test_an_ordinary_key_is_the_name_of_its_object(self, store, bucket, other_program):
        await keep(store)

        found = other_program.get_object(Bucket=bucket, Key=PICTURE)
        assert found["Body"].read() == b"picture"
        assert found["ContentType"] == "image/png"

    async def test_reads_what_another_program_wrote(self, store, bucket, other_program):
        other_program.put_object(Bucket=bucket, Key="a.png", Body=b"theirs", Metadata={"details": "not ours", "x": "y"})

        assert await read_blob(store, "a.png") == b"theirs"
        assert (await store.head("a.png")).metadata == {}
        assert await keys_of(store) == ["a.png"]

    @pytest.mark.parametrize("name", ["folder/", "%", "%a-x", "%zz", "%/", "%b-a"])
    async def test_passes_over_objects_it_would_not_have_written(self, store, bucket, other_program, name):
        other_program.put_object(Bucket=bucket, Key=name, Body=b"theirs")
        await keep(store)

        assert await keys_of(store) == [PICTURE]


class TestNames:
    @given(KEYS)
    @example((STAND_INS * 14)[:999] + "/")
    @example("/" + STAND_INS * 13 + "/" * 24)
    @example("/" * 1000)
    @example("ü" * 500)
    def test_every_key_has_a_name_that_s3_and_minio_take(self, key):
        name = name_of(key)

        assert key_of(name) == key
        assert len(name.encode()) <= 1024
        assert all(segment not in ("", ".", "..") for segment in name.split("/"))
        assert all(len(segment.encode()) <= 255 for segment in name.split("/"))

    @given(KEYS)
    def test_ordinary_names_are_keys(self, key):
        assert is_ordinary(key) == (name_of(key) == key)
