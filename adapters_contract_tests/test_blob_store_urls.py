"""What a `BlobStore` promises of the URLs of its blobs."""

import asyncio
import urllib.request
from urllib.parse import urlsplit

import pytest
from adapters_contract_tests.blob_stores import (
    PICTURE,
    InFilesystem,
    InMemory,
    InS3,
    keep,
)


class Unpublished:
    """For stores that nobody reaches over HTTP."""

    async def test_has_no_urls(self, store):
        await keep(store, PICTURE)

        assert store.public_url(PICTURE) is None
        assert await store.presign(PICTURE, expires_in=60) is None


class Published:
    """For stores that serve blobs over HTTP. The binding's `store` is published; `unpublished_store` is not."""

    @pytest.mark.parametrize("key", [PICTURE, "a b/ü+😀?#&%.png", "../a//b", "%2e%2e/x", "/" * 1000])
    async def test_a_signed_url_reads_the_blob(self, store, key):
        await keep(store, key, b"picture")

        url = await store.presign(key, expires_in=60)

        assert await fetch(url) == (b"picture", "image/png")

    @pytest.mark.parametrize("key", [PICTURE, "a b/ü+😀?#&%.png", "../a//b", "%2e%2e/x", "~a*'()"])
    async def test_the_public_url_is_the_signed_one_without_signature(self, store, key):
        signed = urlsplit(await store.presign(key, expires_in=60))

        assert store.public_url(key) == signed._replace(query="").geturl()

    async def test_has_no_public_url_unless_published(self, unpublished_store):
        assert unpublished_store.public_url(PICTURE) is None


class TestMemory(InMemory, Unpublished): ...


class TestFilesystem(InFilesystem, Unpublished): ...


class TestS3(InS3, Published): ...


async def fetch(url):
    def get():
        with urllib.request.urlopen(url, timeout=5) as answer:
            return answer.read(), answer.headers["Content-Type"]

    return await asyncio.to_thread(get)
