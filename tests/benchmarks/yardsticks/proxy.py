"""A Litestar handler that passes on what aioboto3 reads: `/pictures/{key}` out of a bucket.

The arguments behind the port are the endpoint, the access key, its secret and the bucket.
"""

import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aioboto3
from aiobotocore.config import AioConfig
from litestar import Litestar, get
from litestar.datastructures import State
from litestar.response import Stream
from tests.benchmarks.yardsticks.one_handler import ready
from tests.benchmarks.yardsticks.serving import serve

CHUNK = 2**20


@get("/pictures/{key:path}", media_type="image/jpeg")
async def picture(key: str, state: State) -> Stream:
    found = await state.s3.get_object(Bucket=sys.argv[5], Key=key.removeprefix("/"))
    return Stream(_chunks(found["Body"]), headers={"Content-Length": str(found["ContentLength"])})


async def _chunks(body: Any) -> AsyncIterator[bytes]:
    while chunk := await body.read(CHUNK):
        yield chunk


@asynccontextmanager
async def connected(app: Litestar) -> AsyncIterator[None]:
    endpoint, key_id, secret = sys.argv[2:5]
    config = AioConfig(s3={"addressing_style": "path"}, response_checksum_validation="when_required")
    client = aioboto3.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name="auto",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=config,
    )
    async with client as app.state.s3:
        yield


if __name__ == "__main__":
    serve(Litestar([ready, picture], lifespan=[connected]))
