"""A bare process that makes pictures with google-genai as its documentation shows, and stores their bytes.

`python -m tests.benchmarks.yardsticks.sdk_call URL FOLDER`, or `... URL ENDPOINT KEY SECRET BUCKET` for S3.
It says "ready", then makes as many pictures as each line of its input says with a prompt behind it, some at a time,
and says "done" after each line.
"""

import asyncio
import contextlib
import itertools
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from pathlib import Path

import aioboto3
from aiobotocore.config import AioConfig
from google import genai
from google.genai import types

AT_ONCE = 8
CATEGORIES = (
    types.HarmCategory.HARM_CATEGORY_HARASSMENT,
    types.HarmCategory.HARM_CATEGORY_HATE_SPEECH,
    types.HarmCategory.HARM_CATEGORY_SEXUALLY_EXPLICIT,
    types.HarmCategory.HARM_CATEGORY_DANGEROUS_CONTENT,
)

Store = Callable[[str, bytes], Awaitable[object]]


@contextlib.asynccontextmanager
async def storing(*where: str) -> AsyncIterator[Store]:
    """Into a folder, or into a bucket."""
    if len(where) == 1:
        folder = Path(where[0])
        yield lambda name, data: asyncio.to_thread((folder / name).write_bytes, data)
        return
    endpoint, key_id, secret, bucket = where
    config = AioConfig(s3={"addressing_style": "path"}, request_checksum_calculation="when_required")
    client = aioboto3.Session().client(
        "s3",
        endpoint_url=endpoint,
        region_name="auto",
        aws_access_key_id=key_id,
        aws_secret_access_key=secret,
        config=config,
    )
    async with client as s3:
        yield lambda name, data: s3.put_object(Bucket=bucket, Key=name, Body=data, ContentType="image/jpeg")


async def make(client: genai.Client, store: Store, name: str, prompt: str) -> None:
    threshold = types.HarmBlockThreshold.BLOCK_MEDIUM_AND_ABOVE
    config = types.GenerateContentConfig(
        safety_settings=[types.SafetySetting(category=category, threshold=threshold) for category in CATEGORIES],
        response_modalities=["TEXT", "IMAGE"],
        image_config=types.ImageConfig(aspect_ratio="16:9", image_size="1K"),
    )
    model = "gemini-3-pro-image"
    answer = await client.aio.models.generate_content(model=model, contents=prompt, config=config)
    picture = next(part.inline_data for part in answer.parts or () if part.inline_data)
    await store(name, picture.data or b"")


async def main(url: str, *where: str) -> None:
    client, places = genai.Client(api_key="bench", http_options=types.HttpOptions(base_url=url)), itertools.count()
    room = asyncio.Semaphore(AT_ONCE)

    async def one(store: Store, prompt: str) -> None:
        async with room:
            await make(client, store, f"{next(places)}.jpg", prompt)

    async with storing(*where) as store:
        print("ready", flush=True)
        while line := await asyncio.to_thread(sys.stdin.readline):
            count, prompt = line.rstrip("\n").split(" ", 1)
            await asyncio.gather(*(one(store, prompt) for _ in range(int(count))))
            print("done", flush=True)


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
