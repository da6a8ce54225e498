"""A client goes away while its picture is being paid for, or while it follows a task."""

import asyncio
import contextlib
from contextlib import AsyncExitStack, aclosing
from typing import Any

import httpx
from tests.e2e.asking import generate, history, picture_sent, visiting
from tests.e2e.store_setups import Stores
from tests.e2e.tasking import HELD, events, finished, submitted

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


async def test_nothing_is_left_of_clients_that_followed_a_task_and_went_away(
    lab: LabProcess, gemini: GeminiDouble, client: httpx.AsyncClient
) -> None:
    gemini.clear()
    task_id = await submitted(client, HELD)
    async with AsyncExitStack() as followers:
        for _ in range(20):
            follower = await followers.enter_async_context(visiting(lab))
            told = await followers.enter_async_context(aclosing(events(follower, task_id)))
            await anext(told)
        following = await _being_answered(client)
    async with asyncio.timeout(30):
        while await _being_answered(client) != 1:  # noqa: ASYNC110 - a client can only ask
            await asyncio.sleep(0.01)
    gemini.release("it")
    done = await finished(client, task_id)

    assert following == 21
    assert done["status"] == "completed"


async def _being_answered(client: httpx.AsyncClient) -> float:
    """How many requests there are just now, this one included."""
    lines = (await client.get("/metrics")).text.splitlines()
    [line] = [line for line in lines if line.startswith("nbl_requests_in_progress ")]
    return float(line.split()[1])


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
