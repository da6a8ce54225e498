"""The google-genai client, built so that nothing but our own arguments decides where a key goes.

The SDK listens to a dozen environment variables and picks its HTTP library by what is installed
(GEMINI.md sections 0 and 5); every one of those choices is taken away from it here.
It never holds a key: each request carries its own.

Importing this module takes about a second; import it in a thread.
"""

from collections.abc import Sequence

import httpx2
from google.genai import Client, types
from google.genai.client import DebugConfig

from nano_banana_lab.adapters.gemini.call import Call
from nano_banana_lab.adapters.gemini.failures import translated
from nano_banana_lab.adapters.gemini.model_table import GeminiModel
from nano_banana_lab.adapters.gemini.question import Question
from nano_banana_lab.adapters.gemini.request import cargo_of, config_of, contents_of, material_of, words_config_of
from nano_banana_lab.adapters.gemini.transport import NO_KEY, Cargo, PictureTransport, carrying
from nano_banana_lab.core.generation.image_request import ImageRequest
from nano_banana_lab.core.generation.ports import UpstreamFailed

GOOGLE = "https://generativelanguage.googleapis.com/"
LEAST_SERVER_SECONDS = 10.0
"""The service refuses a shorter `X-Server-Timeout` with 400 (GEMINI.md section 8)."""


class GeminiClient:
    """One SDK client and one connection pool for any number of keys at once.

    Every failure is a `GenerationError`.
    """

    def __init__(self, *, base_url: str | None = None, api_version: str = "v1beta") -> None:
        self._connections = _connections()
        self._sdk = _sdk(base_url or GOOGLE, api_version, self._connections)

    async def ask_for_picture(self, call: Call, request: ImageRequest, model: GeminiModel) -> bytearray:
        """The body of a 200, unread."""
        cargo = cargo_of(request)
        answer = await self._ask(call, contents_of(request, cargo), config_of(request, model), cargo)
        if not answer:
            raise UpstreamFailed(reason="empty_answer")
        return answer

    async def ask_for_words(self, call: Call, question: Question) -> bytearray:
        """The body of a 200, unread; it may be empty."""
        return await self._ask(call, [material_of(question)], words_config_of(question), Cargo())

    async def get_model(self, call: Call) -> None:
        """Return when the service knows the model and the key; costs nothing."""
        asking = self._sdk.aio.models.get(model=call.model, config=types.GetModelConfig(http_options=_options(call)))
        await translated(asking, model=call.model, successor=call.successor, key=call.key)

    async def aclose(self) -> None:
        """Close every connection."""
        await self._sdk.aio.aclose()
        self._sdk.close()
        await self._connections.aclose()

    async def _ask(
        self, call: Call, contents: Sequence[types.Content], config: types.GenerateContentConfig, cargo: Cargo
    ) -> bytearray:
        config.http_options = _options(call)
        with carrying(cargo):
            sending = self._sdk.aio.models.generate_content(model=call.model, contents=list(contents), config=config)
            await translated(sending, model=call.model, successor=call.successor, key=call.key)
        return cargo.unloaded() or bytearray()


def _options(call: Call) -> types.HttpOptions:
    return types.HttpOptions(
        # Only this exact spelling replaces the client's own key; any other is sent beside it (GEMINI.md 5.7).
        headers={"x-goog-api-key": call.key.reveal()},
        timeout=int(max(call.seconds, LEAST_SERVER_SECONDS) * 1000),
    )


def _connections() -> httpx2.AsyncClient:
    # As many calls at once as the lab admits; few idle connections, since the pool looks at each of them for every call.
    limits = httpx2.Limits(max_connections=None, max_keepalive_connections=10)
    return httpx2.AsyncClient(
        # The transport's own trust_env only finds certificate authorities; the client's would also find proxies.
        transport=PictureTransport(httpx2.AsyncHTTPTransport(limits=limits)),
        trust_env=False,
        # Base64 of a JPEG shrinks by a quarter in gzip, at the price of unpacking it on the event loop.
        headers={"accept-encoding": "identity"},
    )


def _sdk(base_url: str, api_version: str, connections: httpx2.AsyncClient) -> Client:
    return Client(
        vertexai=False,
        api_key=NO_KEY,
        debug_config=DebugConfig(client_mode=None, replays_directory=None, replay_id=None),
        http_options=types.HttpOptions(
            base_url=base_url,
            api_version=api_version,
            retry_options=types.HttpRetryOptions(attempts=1),
            httpx_async_client=connections,
            # Nothing here is synchronous; a client that cannot send spares building another TLS context.
            httpx_client=httpx2.Client(transport=httpx2.BaseTransport(), trust_env=False),
        ),
    )
