"""The `BlobStore` in an S3 bucket: Cloudflare R2, MinIO, AWS and whatever else speaks the protocol."""

from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Mapping
from contextlib import aclosing, suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import quote

from nano_banana_lab.adapters.s3.blob_names import is_ordinary, key_of, name_of
from nano_banana_lab.adapters.s3.bucket import Bucket
from nano_banana_lab.adapters.s3.metadata import headers_of, metadata_of
from nano_banana_lab.core.storage.blob_limits import check_details, check_key, check_keys_to_delete
from nano_banana_lab.core.storage.ports import BlobInfo, BlobNotFound, StoreUnavailable

_PART = 8 * 2**20
"""Bytes of each part of a stream; S3 asks for 5 MiB at least, and R2 for parts of one size."""

_CHUNK = 2**20
_WEEK = 7 * 24 * 3600
"""The longest life of a signed URL (AWS Signature Version 4)."""


class S3BlobStore:
    """Blobs as objects of one bucket, which must exist; connects at first use and again whenever that is needed.

    `endpoint_url` is None for AWS itself; `region` is `auto` on R2.
    `public_base_url` is where the bucket is published for everyone to read, None when it is not.
    The credentials need to read, write, delete and list: without the right to list, S3 says "forbidden" for what is
    simply not there, and the store counts as unavailable.

    A stream of more than 8 MiB is sent in parts. A process or a service that dies meanwhile leaves parts that no reader
    sees; give the bucket a lifecycle rule that aborts incomplete multipart uploads.
    """

    def __init__(
        self,
        *,
        endpoint_url: str | None,
        region: str,
        bucket: str,
        access_key_id: str,
        secret_access_key: str,
        public_base_url: str | None = None,
    ) -> None:
        self._bucket = Bucket(
            name=bucket,
            endpoint_url=endpoint_url,
            region=region,
            access_key_id=access_key_id,
            secret_access_key=secret_access_key,
        )
        self._public_base_url = public_base_url.rstrip("/") if public_base_url else None

    async def aclose(self) -> None:
        """Close all connections; safe to call twice, and in a process that never used the store."""
        await self._bucket.aclose()

    async def put(
        self,
        key: str,
        data: bytes | AsyncIterable[bytes],
        *,
        content_type: str,
        metadata: Mapping[str, str] | None = None,
    ) -> BlobInfo:
        details = dict(metadata or {})
        check_key(key)
        check_details(content_type, details)
        described = {"Key": name_of(key), "ContentType": content_type, "Metadata": headers_of(details)}
        if isinstance(data, bytes):
            size, answer = len(data), await self._bucket.send("put_object", data, **described)
        else:
            size, answer = await self._put_stream(data, described)
        return BlobInfo(key=key, size=size, content_type=content_type, modified_at=_date_of(answer), metadata=details)

    async def open(self, key: str, *, start: int = 0, end: int | None = None) -> "_S3Reader":
        check_key(key)
        if not (start >= 0 and (end is None or start < end or start == end == 0)):
            raise ValueError(f"bytes {start} to {end} are no range")
        if end == 0 and (await self.head(key)).size:
            raise ValueError("bytes 0 to 0 can be read of an empty blob only")
        whole = start == 0 and not end
        wanted = {} if whole else {"Range": f"bytes={start}-{end - 1 if end else ''}"}
        answer = await self._bucket.call("get_object", Key=name_of(key), **wanted)
        reader = _S3Reader(self._bucket, answer["Body"], _info(key, answer))
        if end is not None and end > reader.info.size:
            await reader.aclose()
            raise ValueError(f"bytes {start} to {end} are not within a blob of {reader.info.size}")
        return reader

    async def head(self, key: str) -> BlobInfo:
        check_key(key)
        try:
            return _info(key, await self._bucket.call("head_object", Key=name_of(key)))
        except BlobNotFound:
            await self.ping()  # the answer to HEAD does not say whether the key or the bucket is missing
            raise

    async def delete(self, *keys: str) -> None:
        check_keys_to_delete(keys)
        await self._bucket.delete(sorted({name_of(key) for key in keys}))

    async def list(self, prefix: str) -> AsyncIterator[BlobInfo]:
        if prefix:
            check_key(prefix)
        strange = [info async for info in self._strange(prefix)]
        strange.sort(key=lambda info: info.key, reverse=True)
        async for info in self._ordinary(prefix):
            while strange and strange[-1].key < info.key:
                yield strange.pop()
            yield info
        for info in reversed(strange):
            yield info

    def public_url(self, key: str) -> str | None:
        check_key(key)
        return None if self._public_base_url is None else f"{self._public_base_url}/{quote(name_of(key), safe='/~')}"

    async def presign(self, key: str, *, expires_in: float) -> str | None:
        """As the port says; raises ValueError unless `expires_in` is between a second and seven days."""
        check_key(key)
        if not 1 <= expires_in <= _WEEK:
            raise ValueError("a signed URL can live for one second to seven days")
        return await self._bucket.presign("get_object", int(expires_in), Key=name_of(key))

    async def ping(self) -> None:
        await self._bucket.check()

    async def _put_stream(self, data: AsyncIterable[bytes], described: Mapping[str, Any]) -> tuple[int, Any]:
        async with aclosing(_parts(data)) as parts:
            first = await anext(parts)
            if len(first) < _PART:
                return len(first), await self._bucket.send("put_object", first, **described)
            return await self._put_parts(first, parts, described)

    async def _put_parts(
        self, first: bytes, others: AsyncIterator[bytes], described: Mapping[str, Any]
    ) -> tuple[int, Any]:
        started = await self._bucket.call("create_multipart_upload", **described)
        upload = {"Key": described["Key"], "UploadId": started["UploadId"]}
        try:
            return await self._send_parts(first, others, upload)
        except StoreUnavailable:
            raise  # asking a dead store to forget the parts would only double the wait
        except BaseException:
            with suppress(StoreUnavailable, BlobNotFound):
                await self._bucket.call("abort_multipart_upload", **upload)
            raise

    async def _send_parts(
        self, first: bytes, others: AsyncIterator[bytes], upload: Mapping[str, Any]
    ) -> tuple[int, Any]:
        sent: list[dict[str, Any]] = []
        size = 0
        part = first
        while part:
            number = len(sent) + 1
            answer = await self._bucket.send("upload_part", part, PartNumber=number, **upload)
            sent.append({"PartNumber": number, "ETag": answer["ETag"]})
            size += len(part)
            part = await anext(others, b"")
        return size, await self._bucket.call("complete_multipart_upload", MultipartUpload={"Parts": sent}, **upload)

    async def _ordinary(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """Blobs whose objects are called as they are, in order. No key of theirs begins as a strange one does."""
        if is_ordinary(prefix + "x"):
            async for info in self._objects(prefix):
                if is_ordinary(info.key):
                    yield info

    async def _strange(self, prefix: str) -> AsyncIterator[BlobInfo]:
        """The other blobs, in no particular order; normally there is none, which one request finds out."""
        async for info in self._objects("%"):
            if info.key.startswith(prefix):
                yield info

    async def _objects(self, name_prefix: str) -> AsyncIterator[BlobInfo]:
        more: dict[str, str] = {}
        while True:
            page = await self._bucket.call("list_objects_v2", Prefix=name_prefix, **more)
            for item in page.get("Contents", ()):
                if (key := key_of(item["Key"])) is not None:
                    changed = item["LastModified"].astimezone(UTC)
                    yield BlobInfo(key=key, size=item["Size"], content_type="", modified_at=changed)
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}


class _S3Reader:
    """Holds one connection of the pool until it is read to the end or closed."""

    def __init__(self, bucket: Bucket, body: Any, info: BlobInfo) -> None:
        self.info = info
        self._bucket = bucket
        self._body = body

    async def __aiter__(self) -> AsyncIterator[bytes]:
        try:
            while chunk := await self._bucket.read(self._body, _CHUNK):
                yield chunk
        finally:
            self._body.close()

    async def aclose(self) -> None:
        self._body.close()


async def _parts(data: AsyncIterable[bytes]) -> AsyncGenerator[bytes, None]:
    """The stream in parts of `_PART` bytes and a last one that is shorter, perhaps empty."""
    gathered = bytearray()
    async for chunk in data:
        gathered += chunk
        while len(gathered) >= _PART:
            yield bytes(gathered[:_PART])
            del gathered[:_PART]
    yield bytes(gathered)


def _info(key: str, answer: Mapping[str, Any]) -> BlobInfo:
    """From the answer to HEAD or GET; `Content-Range` (RFC 9110, section 14.4) ends with the whole size."""
    content_range = answer.get("ContentRange")
    return BlobInfo(
        key=key,
        size=int(content_range.rpartition("/")[2]) if content_range else answer["ContentLength"],
        content_type=answer.get("ContentType", "application/octet-stream"),
        modified_at=answer["LastModified"].astimezone(UTC),
        metadata=metadata_of(answer.get("Metadata", {})),
    )


def _date_of(answer: Mapping[str, Any]) -> datetime:
    """When the server answered; S3 does not say when it stored an object, and that was just before."""
    date = answer["ResponseMetadata"]["HTTPHeaders"].get("date")
    return parsedate_to_datetime(date).astimezone(UTC) if date else datetime.now(UTC)
