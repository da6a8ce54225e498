"""Requests to one bucket: connecting, giving up in time, and saying which answers mean that the store is gone."""

import asyncio
import base64
import hashlib
import io
import logging
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from functools import cache, partial
from typing import Any

from nano_banana_lab.core.storage.ports import BlobNotFound, StoreUnavailable

_logger = logging.getLogger(__name__)

_PATIENCE = 4.5
"""Seconds within which S3 must answer, retries included, or take or send more of a body; the port allows 5."""

_CONNECT_SECONDS = 1.5
_ATTEMPTS = 3
_CONNECTIONS = 320
"""More than the 256 pictures one process makes at once, and well below the usual limit of 1024 open files."""

_HASHED_AT_ONCE = 2**17
"""Bytes that are hashed in less time than a thread needs to begin."""

_NOT_IN_XML = frozenset("\ufffe\uffff")


class Bucket:
    """Calls S3 operations on one bucket by their names in boto3, on one client with one pool of connections.

    Raises `BlobNotFound` where S3 says that there is no such key, and `StoreUnavailable` for all other failures;
    the reason is logged, without credentials.
    """

    def __init__(
        self, *, name: str, endpoint_url: str | None, region: str, access_key_id: str, secret_access_key: str
    ) -> None:
        self._name = name
        self._options = {
            "service_name": "s3",
            "endpoint_url": endpoint_url,
            "region_name": region,
            "aws_access_key_id": access_key_id,
            "aws_secret_access_key": secret_access_key,
        }
        self._connecting = asyncio.Lock()
        self._open = AsyncExitStack()
        self._client: Any = None

    async def aclose(self) -> None:
        self._client = None
        await self._open.aclose()

    async def call(self, operation: str, **arguments: Any) -> Any:
        """One operation without a large body."""
        client = await self._connected()
        async with _answering(operation):
            return await getattr(client, operation)(Bucket=self._name, **arguments)

    async def send(self, operation: str, body: bytes, **arguments: Any) -> Any:
        """One operation that uploads `body`; it may take as long as S3 keeps taking more of it.

        The payload is left out of the signature, since hashing it would block the event loop;
        a signed MD5 made in a thread protects it instead, over plain HTTP as well.
        """
        client = await self._connected()
        digest = _md5(body) if len(body) <= _HASHED_AT_ONCE else await asyncio.to_thread(_md5, body)
        async with _answering(operation) as took_more:
            return await getattr(client, operation)(
                Bucket=self._name, Body=_Body(body, took_more), ContentMD5=digest, **arguments
            )

    async def read(self, body: Any, size: int) -> bytes:
        """Some more bytes of an answer's body, at most `size`; empty at its end."""
        async with _answering("get_object"):
            return bytes(await body.read(size))

    async def delete(self, names: Sequence[str]) -> None:
        """Delete up to 1000 objects, in one request where their names can be written in XML 1.0."""
        listable = [name for name in names if not _NOT_IN_XML.intersection(name)]
        if len(listable) > 1:
            objects = [{"Key": name} for name in listable]
            answer = await self.call("delete_objects", Delete={"Objects": objects, "Quiet": True})
            if failures := answer.get("Errors"):
                raise _unavailable("delete_objects", f"{len(failures)} refused, first {failures[0].get('Code')}")
        else:
            listable = []
        for name in set(names).difference(listable):
            await self.call("delete_object", Key=name)

    async def presign(self, operation: str, seconds: int, **arguments: Any) -> str:
        """A URL for the operation; asks nobody."""
        client = await self._connected()
        return str(
            await client.generate_presigned_url(
                operation, Params={"Bucket": self._name, **arguments}, ExpiresIn=seconds
            )
        )

    async def check(self) -> None:
        """Return when the bucket is there for these credentials."""
        try:
            await self.call("head_bucket")
        except BlobNotFound as error:
            raise _unavailable("head_bucket", "there is no such bucket") from error

    async def _connected(self) -> Any:
        if self._client is None:
            async with self._connecting:
                if self._client is None:
                    self._client = await self._connect()
        return self._client

    async def _connect(self) -> Any:
        """Loading boto takes a second of work, so it happens in a thread; what is left here is a few milliseconds."""
        session, options = await asyncio.to_thread(_load, self._options)
        async with _answering("connect"):
            client = await self._open.enter_async_context(session.client(**options))
        client.meta.events.register("before-call.s3.DeleteObjects", _add_md5)
        return client


class _Body(io.BytesIO):
    """An upload that says when the connection takes more of it."""

    def __init__(self, content: bytes, took_more: Callable[[], object]) -> None:
        super().__init__(content)
        self._took_more = took_more

    def read(self, size: int | None = -1, /) -> bytes:
        self._took_more()
        return super().read(size)


@asynccontextmanager
async def _answering(operation: str) -> AsyncIterator[Callable[[], object]]:
    """Translates what goes wrong inside, and does not wait for longer than `_PATIENCE`.

    Calling what this yields, from any thread, starts the wait anew.
    """
    from aiohttp import ClientError as HttpError  # noqa: PLC0415 - slow; loaded in a thread before the first call
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 - likewise

    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(_PATIENCE) as limit:
            yield partial(loop.call_soon_threadsafe, _wait_anew, limit, loop)
    except ClientError as error:
        raise _meaning_of(operation, error.response) from error
    except (BotoCoreError, HttpError, OSError) as error:
        raise _unavailable(operation, f"{type(error).__name__} {error}") from error


def _wait_anew(limit: asyncio.Timeout, loop: asyncio.AbstractEventLoop) -> None:
    with suppress(RuntimeError):  # it is over already
        limit.reschedule(loop.time() + _PATIENCE)


def _meaning_of(operation: str, response: Mapping[str, Any]) -> StoreUnavailable | BlobNotFound | ValueError:
    """The error for an answer of 300 or above; one to HEAD has no body and so a number for its code."""
    code = response.get("Error", {}).get("Code")
    if code in ("NoSuchKey", "404"):
        return BlobNotFound()
    if code in ("InvalidRange", "416"):
        return ValueError("the range begins behind the end of the blob")
    return _unavailable(operation, f"{code} {response.get('ResponseMetadata', {}).get('HTTPStatusCode')}")


def _unavailable(operation: str, reason: str) -> StoreUnavailable:
    _logger.warning("blob store: %s: %s", operation, reason)
    return StoreUnavailable("blob store")


def _load(options: Mapping[str, Any]) -> tuple[Any, dict[str, Any]]:
    """A session that has read all it needs, and the options for a client. Blocks for a second in a new process."""
    from aiobotocore.config import AioConfig  # noqa: PLC0415 - takes most of that second
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - likewise

    endpoint_url = options["endpoint_url"]
    config = AioConfig(
        signature_version="s3v4",
        connect_timeout=_CONNECT_SECONDS,
        read_timeout=60,  # `_answering` is stricter
        max_pool_connections=_CONNECTIONS,
        retries={"total_max_attempts": _ATTEMPTS, "mode": "standard"},
        request_checksum_calculation="when_required",  # R2 refuses uploads with boto's own checksums
        response_checksum_validation="when_required",
        s3={"addressing_style": "path" if endpoint_url else "auto", "payload_signing_enabled": False},
    )
    # Plain HTTP has no certificate to verify, and boto would load the authorities' on the event loop all the same.
    verify = False if (endpoint_url or "").startswith("http://") else None
    try:
        return _session(), {**options, "config": config, "verify": verify}
    except BotoCoreError as error:
        raise _unavailable("connect", f"{type(error).__name__} {error}") from error


@cache
def _session() -> Any:
    """The process's one copy of boto's parsed service descriptions; it holds no credentials and no connection."""
    import aioboto3  # noqa: PLC0415 - slow

    session = aioboto3.Session()
    asyncio.run(_touch(session))
    return session


async def _touch(session: Any) -> None:
    """Make and close a client, which leaves the parsed descriptions in the session's cache."""
    async with session.client("s3", region_name="auto", aws_access_key_id="none", aws_secret_access_key="none"):  # noqa: S106 - never sent
        pass


def _add_md5(params: dict[str, Any], **_: Any) -> None:
    """Older MinIO and others insist on an MD5 here, which boto no longer sends since 1.36."""
    params["headers"]["Content-MD5"] = _md5(params["body"])


def _md5(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
