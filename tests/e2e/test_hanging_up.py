"""A client goes away while its picture is being paid for."""

import asyncio
import contextlib
from typing import Any

import httpx
from tests.e2e.asking import generate, history, picture_sent, visiting
from tests.e2e.store_setups import Stores

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess

PROMPT = "a cat nobody waited for [[hold cat]]"


async def test_the_picture_of_a_client_that_hung_up_is_in_the_history(
    lab: LabProcess, gemini: GeminiDouble, stores: Stores, client: httpx.AsyncClient
) -> None:
    gemini.clear()
    await _hang_up_while_google_draws(lab, gemini)
    gemini.release("cat")
    line = await _line_of_the_history(client)

    assert await picture_sent(gemini, PROMPT) == (await client.get(line["url"])).content
    assert not any(request.hung_up for request in gemini.requests)


async def _hang_up_while_google_draws(lab: LabProcess, gemini: GeminiDouble) -> None:
    async with visiting(lab) as impatient:
        asking = asyncio.create_task(generate(impatient, PROMPT))
        await gemini.until(lambda requests: len(requests) == 1)
        asking.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await asking


async def _line_of_the_history(client: httpx.AsyncClient) -> dict[str, Any]:
    async with asyncio.timeout(30):
        while not (found := [line for line in await history(client) if line["prompt"] == PROMPT]):  # noqa: ASYNC110 - a client can only ask
            await asyncio.sleep(0.01)
    return found[0]
