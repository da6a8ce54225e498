"""The two ways to store, each with its settings and with a look behind the lab's back at what is really there."""

import contextlib
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Protocol

from nano_banana_lab.testing.redis_server import RedisServer
from nano_banana_lab.testing.s3_server import S3Server


class Stores(Protocol):
    """`settings` are the environment variables that choose these stores."""

    settings: dict[str, str]

    def blobs(self) -> dict[str, bytes]:
        """Every stored file by its key."""
        ...

    def index(self) -> dict[str, Any]:
        """Every value, index and set of counters by its name."""
        ...

    def everything(self) -> dict[str, bytes]:
        """All bytes that are kept anywhere, named for a message, in raw form and as read."""
        ...

    def spoil(self, name: str) -> None:
        """Overwrite this value of the index with what is no record."""
        ...


class EmbeddedStores:
    """SQLite and files under DATA_DIR."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.settings = {"DATA_DIR": str(folder)}

    def blobs(self) -> dict[str, bytes]:
        pictures = self._folder / "pictures"
        files = [path for path in pictures.rglob("*") if path.is_file() and ".incoming" not in path.parts]
        return {path.relative_to(pictures).as_posix(): path.read_bytes() for path in files}

    def index(self) -> dict[str, Any]:
        with contextlib.closing(sqlite3.connect(self._folder / "lab.sqlite3")) as database:
            found: dict[str, Any] = {
                key.decode(): value for key, value in database.execute("SELECT key, value FROM value")
            }
            for key, field, amount in database.execute("SELECT key, field, amount FROM counter"):
                found.setdefault(key.decode(), {})[field.decode()] = amount
            found |= {name.decode(): size for name, size in database.execute("SELECT name, size FROM listing")}
        return found

    def everything(self) -> dict[str, bytes]:
        files = {str(path): path.read_bytes() for path in self._folder.rglob("*") if path.is_file()}
        return files | {f"row {name}": f"{name} {value!r}".encode() for name, value in self.index().items()}

    def spoil(self, name: str) -> None:
        with contextlib.closing(sqlite3.connect(self._folder / "lab.sqlite3")) as database, database:
            changed = database.execute("UPDATE value SET value = x'00' WHERE key = ?", (name.encode(),))
        assert changed.rowcount == 1


class ServiceStores:
    """Redis, emptied for us, and a new bucket behind S3's protocol."""

    def __init__(self, redis: RedisServer, s3: S3Server, bucket: str) -> None:
        redis.flush()
        self._redis, self._s3, self._bucket = redis, s3, s3.create_bucket(bucket)
        self.settings = {
            "REDIS_URL": redis.url,
            "R2_ENABLED": "true",
            "R2_ENDPOINT_URL": s3.endpoint_url,
            "R2_ACCESS_KEY_ID": s3.access_key_id,
            "R2_SECRET_ACCESS_KEY": s3.secret_access_key,
            "R2_BUCKET_NAME": bucket,
        }

    def blobs(self) -> dict[str, bytes]:
        return {key: body for key, body, _ in self._objects()}

    def index(self) -> dict[str, Any]:
        return {key.decode().split(":", 2)[2]: self._value(key) for key in self._redis.ask("KEYS", "nbl:?:*")}

    def everything(self) -> dict[str, bytes]:
        found = {f"object {key}": f"{key} {about!r}".encode() + body for key, body, about in self._objects()}
        for key in self._redis.ask("KEYS", "*"):
            found[f"key {key!r}"] = key + b" " + repr(self._value(key)).encode()
            found[f"dump of {key!r}"] = self._redis.ask("DUMP", key) or b""  # it may just have expired
        return found

    def spoil(self, name: str) -> None:
        assert self._redis.ask("SET", f"nbl:v:{name}", b"\0", "XX", "KEEPTTL")

    def endless(self) -> list[str]:
        """The keys that Redis keeps for ever, unless somebody deletes them."""
        found = [key for key in self._redis.ask("KEYS", "*") if self._redis.ask("PTTL", key) == -1]
        return sorted(key.decode() for key in found)

    def _value(self, key: bytes) -> Any:
        reading = {
            b"string": ("GET", key),
            b"hash": ("HGETALL", key),
            b"zset": ("ZRANGE", key, 0, -1, "WITHSCORES"),
            b"list": ("LRANGE", key, 0, -1),
            b"set": ("SMEMBERS", key),
            b"stream": ("XRANGE", key, "-", "+"),
            b"none": ("GET", key),
        }
        return self._redis.ask(*reading[self._redis.ask("TYPE", key)])

    def _objects(self) -> Iterator[tuple[str, bytes, Any]]:
        import boto3  # noqa: PLC0415 - slow, and only needed here

        client = boto3.client(
            "s3",
            endpoint_url=self._s3.endpoint_url,
            region_name=self._s3.region,
            aws_access_key_id=self._s3.access_key_id,
            aws_secret_access_key=self._s3.secret_access_key,
        )
        with contextlib.closing(client):
            for page in client.get_paginator("list_objects_v2").paginate(Bucket=self._bucket):
                for found in page.get("Contents", ()):
                    answer = client.get_object(Bucket=self._bucket, Key=found["Key"])
                    with contextlib.closing(answer["Body"]) as body:
                        yield found["Key"], body.read(), answer["ResponseMetadata"]["HTTPHeaders"]
