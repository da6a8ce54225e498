"""How the `BlobStore` suites get hold of each adapter, and the few verbs they share."""

import asyncio
from uuid import uuid4

import pytest

from nano_banana_lab.adapters.filesystem.blob_store import FilesystemBlobStore
from nano_banana_lab.adapters.memory.blob_store import MemoryBlobStore
from nano_banana_lab.adapters.s3.blob_store import S3BlobStore
from nano_banana_lab.testing.frozen_clock import FrozenClock

PICTURE = "users/anonymous/2026/11/22/x.png"
LARGE = bytes(range(256)) * (20 * 2**20 // 256)


class InMemory:
    @pytest.fixture
    def store(self):
        return MemoryBlobStore(FrozenClock())


class InFilesystem:
    @pytest.fixture
    def store(self, tmp_path):
        return FilesystemBlobStore(tmp_path / "blobs")

    @pytest.fixture
    def recipe(self, tmp_path):
        return f"""
from pathlib import Path
from nano_banana_lab.adapters.filesystem.blob_store import FilesystemBlobStore
store = FilesystemBlobStore(Path({str(tmp_path / "blobs")!r}))
"""


class InS3:
    @pytest.fixture
    def options(self, s3_server):
        return {
            "endpoint_url": s3_server.endpoint_url,
            "region": s3_server.region,
            "bucket": s3_server.create_bucket(f"contract-{uuid4().hex}"),
            "access_key_id": s3_server.access_key_id,
            "secret_access_key": s3_server.secret_access_key,
        }

    @pytest.fixture
    async def store(self, options):
        store = S3BlobStore(**options, public_base_url=f"{options['endpoint_url']}/{options['bucket']}/")
        yield store
        await store.aclose()

    @pytest.fixture
    def unpublished_store(self, options):
        return S3BlobStore(**options)

    @pytest.fixture
    def recipe(self, options):
        return f"""
from nano_banana_lab.adapters.s3.blob_store import S3BlobStore
store = S3BlobStore(**{options!r})
"""


async def keep(store, key, data=b"picture", content_type="image/png", metadata=None):
    return await store.put(key, data, content_type=content_type, metadata=metadata)


async def keep_all(store, blobs):
    """Put many small blobs, some at a time."""
    turn = asyncio.Semaphore(32)

    async def keep_one(key, data):
        async with turn:
            await keep(store, key, data)

    async with asyncio.TaskGroup() as tasks:
        for key, data in blobs.items():
            tasks.create_task(keep_one(key, data))


async def keys_of(store, prefix=""):
    return [info.key async for info in store.list(prefix)]


async def stream(*chunks):
    for chunk in chunks:
        yield chunk


async def opened(store, key):
    reader = await store.open(key)
    await reader.aclose()
    return reader.info
