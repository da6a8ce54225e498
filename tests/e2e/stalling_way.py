"""The way to a Redis that begins to hang at the very moment when the lab takes a task on."""

import asyncio
from typing import Self

from nano_banana_lab.testing.redis_server import RedisServer

TAKING_ON = (b":tasks/open", b":tasks/queued", b"/item/0")
"""What stands in that commit, and together in no other command."""


class StallingWay:
    """Passes everything on, until it is told to let the server hang at the next commit that takes a task on.

    The server hangs `before` it carries that out, or `afterwards`, and then its answer is lost.
    """

    def __init__(self, server: RedisServer) -> None:
        self._server = server
        self._stall = ""
        self._connections = set[asyncio.Task[None]]()

    async def __aenter__(self) -> Self:
        self._listener = await asyncio.start_server(self._connect, "127.0.0.1", 0)
        self.url = f"redis://127.0.0.1:{self._listener.sockets[0].getsockname()[1]}/0"
        return self

    async def __aexit__(self, *_: object) -> None:
        self._listener.close()
        for connection in self._connections:
            connection.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    def stall(self, when: str) -> None:
        self._stall = when

    async def _connect(self, asking: asyncio.StreamReader, answered: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        answers, commands = await asyncio.open_connection("127.0.0.1", self._server.port)
        lose = asyncio.Event()
        answering = asyncio.create_task(self._answer(answers, answered, lose))
        try:
            while data := await asking.read(1 << 20):
                if self._stall and all(mark in data for mark in TAKING_ON):
                    self._begin_to_stall(lose)
                commands.write(data)
        finally:
            answering.cancel()
            commands.close()
            answered.close()
            self._connections.discard(task)

    def _begin_to_stall(self, lose: asyncio.Event) -> None:
        if self._stall == "before":
            self._server.pause()
        else:
            lose.set()
        self._stall = ""

    async def _answer(self, answers: asyncio.StreamReader, answered: asyncio.StreamWriter, lose: asyncio.Event) -> None:
        while data := await answers.read(1 << 20):
            if lose.is_set():
                lose.clear()
                self._server.pause()
            else:
                answered.write(data)
        answered.close()
