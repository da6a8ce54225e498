"""A reader in a process of its own; started by `test_redis_event_bus.py`.

    python follow_in_a_process.py ADDRESS CHANNEL EVENTS

Reads the channel, waiting for what is still to come, and prints the ids of so many events.
"""

import asyncio
import sys

from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.event_bus import RedisEventBus


async def follow(address: str, channel: str, wanted: int) -> list[str]:
    async with connect(address) as client:
        bus = RedisEventBus(client)
        seen: list[str] = []
        while len(seen) < wanted:
            seen += [event.id for event in await bus.read(channel, after=seen[-1] if seen else None, wait=20, limit=7)]
        await bus.aclose()
        return seen


if __name__ == "__main__":
    print(*asyncio.run(follow(sys.argv[1], sys.argv[2], int(sys.argv[3]))))
