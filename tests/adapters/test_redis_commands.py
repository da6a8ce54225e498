"""How commands reach Redis, whichever adapter sends them."""

import asyncio

import pytest

from nano_banana_lab.adapters.redis.commands import Commands
from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.testing.redis_server import RedisServer


@pytest.mark.parametrize("options", ["", "?socket_timeout=3"])
@pytest.mark.parametrize("earlier", [[], ["PING"]])
async def test_who_waits_for_an_answer_can_be_cancelled_at_any_moment(
    redis_server: RedisServer, earlier: list[str], options: str
):
    for moments in range(40):
        async with connect(redis_server.url + options) as client:
            redis = Commands(client, lambda: StoreUnavailable("test"))
            for command in earlier:
                await redis.ask(command)
            asking = asyncio.create_task(redis.ask("BLPOP", "nothing", 30, patience=30))
            for _ in range(moments):
                await asyncio.sleep(0)
            asking.cancel()

            await asyncio.wait([asking], timeout=1)
            assert asking.cancelled()
            assert await redis.ask("PING") == b"PONG"
