"""What the lab keeps things in."""

import contextlib
from collections.abc import AsyncIterator

from dishka import Provider, Scope, provide

from nano_banana_lab.core.storage.ports import BlobStore, KeyValueStore
from nano_banana_lab.core.storage.store_watch import StoreWatch
from nano_banana_lab.main.settings import Settings


class Storage(Provider):
    """Redis and an S3 bucket when they are configured, else files under `DATA_DIR`."""

    scope = Scope.APP

    @provide
    async def key_value_store(self, settings: Settings) -> AsyncIterator[KeyValueStore]:
        if settings.redis_url is not None:
            from nano_banana_lab.adapters.redis.connection import connect
            from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore

            client = connect(settings.redis_url.reveal())
            yield RedisKeyValueStore(client)
            await client.aclose()
        else:
            from nano_banana_lab.adapters.sqlite.key_value_store import SqliteKeyValueStore

            with contextlib.suppress(OSError):  # the store itself says that it cannot be used, and goes on trying
                settings.data_dir.mkdir(parents=True, exist_ok=True)
            store = SqliteKeyValueStore(settings.data_dir / "lab.sqlite3")
            yield store
            await store.aclose()

    @provide
    async def blob_store(self, settings: Settings) -> AsyncIterator[BlobStore]:
        if settings.r2_enabled:
            from nano_banana_lab.adapters.s3.blob_store import S3BlobStore

            assert settings.r2_access_key_id is not None  # a rule of the settings
            assert settings.r2_secret_access_key is not None  # likewise
            store = S3BlobStore(
                endpoint_url=settings.r2_endpoint,
                region="auto",
                bucket=settings.r2_bucket_name,
                access_key_id=settings.r2_access_key_id,
                secret_access_key=settings.r2_secret_access_key.reveal(),
                public_base_url=settings.r2_public_url,
            )
            yield store
            await store.aclose()
        else:
            from nano_banana_lab.adapters.filesystem.blob_store import FilesystemBlobStore

            yield FilesystemBlobStore(settings.data_dir / "pictures")

    store_watch = provide(StoreWatch)
