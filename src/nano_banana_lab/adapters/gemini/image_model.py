"""Google's Gemini as an `ImageModel`."""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING

import msgspec

from nano_banana_lab.adapters.gemini.answer import read_answer
from nano_banana_lab.adapters.gemini.call import Call, usable, within
from nano_banana_lab.adapters.gemini.connection import GeminiConnection
from nano_banana_lab.adapters.gemini.model_table import read_models
from nano_banana_lab.core.generation.generated_image import GeneratedImage
from nano_banana_lab.core.generation.image_request import ImageRequest, Resolution
from nano_banana_lab.core.generation.model_card import ModelCard
from nano_banana_lab.core.shared.secrets import ApiKey

if TYPE_CHECKING:
    from nano_banana_lab.adapters.gemini.client import GeminiClient

DEADLINES: Mapping[Resolution, float] = MappingProxyType(
    {Resolution.ONE_K: 180.0, Resolution.TWO_K: 300.0, Resolution.FOUR_K: 600.0}
)
"""Seconds for one picture, retries included (GEMINI.md section 8)."""

_CHECK_SECONDS = 10.0


class GeminiImageModel:
    """Makes pictures with one Gemini model, for the operator's key or the caller's.

    `retry_delays` are the seconds between attempts, each stretched by up to a quarter at random;
    an attempt is repeated only after a connection error or a 500, 502, 503 or 504.
    A successful answer that breaks off is not: it has probably been charged.
    `timeouts` are the seconds for everything together; an `UpstreamTimeout` ends what takes longer.
    A `models_file` adds to `models.toml` or replaces what it says; ValueError when it cannot be read.
    A `connection` is one to share with others; without it the model has its own, to `base_url`.
    """

    def __init__(
        self,
        *,
        api_key: ApiKey | None,
        model_id: str,
        base_url: str | None = None,
        api_version: str = "v1beta",
        retry_delays: Sequence[float] = (2, 4, 8),
        timeouts: Mapping[Resolution, float] = DEADLINES,
        models_file: Path | None = None,
        connection: GeminiConnection | None = None,
    ) -> None:
        models = read_models(models_file)
        self._model_id = models.current_id(model_id)
        self._model = models.model(self._model_id)
        self._card = models.card(self._model_id)
        self._api_key = api_key
        self._retry_delays = tuple(retry_delays)
        self._timeouts = timeouts
        self._connection = connection or GeminiConnection(base_url=base_url, api_version=api_version)

    @property
    def card(self) -> ModelCard:
        return self._card

    async def generate(self, request: ImageRequest) -> GeneratedImage:
        key = usable(request.api_key or self._api_key)
        seconds = self._timeouts[request.settings.resolution]
        body = await self._connection.ask(
            partial(self._attempt, request, key), seconds=seconds, retry_delays=self._retry_delays
        )
        # After the deadline, for what has arrived has been paid; in a thread, for 26 MB take longer than the loop may.
        answer = await _in_thread(
            partial(read_answer, body, model=self._model_id, include_thinking=request.include_thinking)
        )
        return self._with_image_tokens(answer, request.settings.resolution)

    def _with_image_tokens(self, answer: GeneratedImage, resolution: Resolution) -> GeneratedImage:
        """An answer that does not say which of its tokens are the picture's is billed as the table says."""
        usage = answer.usage
        if usage.image_tokens or not usage.output_tokens:
            return answer
        tokens = min(usage.output_tokens, self._card.image_tokens.get(resolution, 0))
        return msgspec.structs.replace(answer, usage=msgspec.structs.replace(usage, image_tokens=tokens))

    async def check(self) -> None:
        key = usable(self._api_key)
        async with within(_CHECK_SECONDS):
            client = await self._connection.open()
            await client.get_model(self._call(key, _CHECK_SECONDS))

    async def warm_up(self) -> None:
        await self._connection.warm_up()

    async def aclose(self) -> None:
        """Close every connection to the service, those of a shared `connection` too; it opens again when needed."""
        await self._connection.aclose()

    async def _attempt(self, request: ImageRequest, key: ApiKey, client: "GeminiClient", seconds: float) -> bytearray:
        return await client.ask_for_picture(self._call(key, seconds), request, self._model)

    def _call(self, key: ApiKey, seconds: float) -> Call:
        return Call(model=self._model_id, successor=self._card.successor, key=key, seconds=seconds)


async def _in_thread(read: Callable[[], GeneratedImage]) -> GeneratedImage:
    """What `read` returns, not held by the futures between the threads, which are garbage only the collector finds."""
    kept: list[GeneratedImage] = []
    await asyncio.to_thread(lambda: kept.append(read()))
    return kept.pop()
