"""One message of a chat is answered at a time, in whatever process, and no answer pushes another one out."""

import asyncio
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from tests.core.chatting import ALICE, Chats, bytes_kept

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.adapters.redis.connection import connect
from nano_banana_lab.adapters.redis.key_value_store import RedisKeyValueStore
from nano_banana_lab.adapters.sqlite.key_value_store import SqliteKeyValueStore
from nano_banana_lab.core.chat.conversation import SessionBusy, SessionNotFound
from nano_banana_lab.core.chat.keys import busy_key
from nano_banana_lab.core.generation.admission import Admission
from nano_banana_lab.core.storage.operations import Delete
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.testing.frozen_clock import FrozenClock

Process = Callable[[], Chats]
LEASE_SECONDS = 60


@pytest.fixture(params=["memory", "sqlite", "redis"])
async def key_values(request: pytest.FixtureRequest, lab: Any, tmp_path: Path) -> AsyncIterator[Any]:
    if request.param == "memory":
        yield MemoryKeyValueStore(lab.clock)
    elif request.param == "sqlite":
        sqlite = SqliteKeyValueStore(tmp_path / "lab.sqlite3", clock=lab.clock)
        yield sqlite
        await sqlite.aclose()
    else:
        server = request.getfixturevalue("redis_server")
        server.flush()
        client = connect(server.url)
        yield RedisKeyValueStore(client)
        await client.aclose()


@pytest.fixture
def process(open_lab: Any, lab: Any, key_values: Any) -> Process:
    """Each call is one more process on the same stores, all with the model of `lab`."""

    def start() -> Chats:
        admission = Admission(concurrent=8, waiting=100)
        stores = {"key_values": key_values, "blobs": lab.blobs, "clock": lab.clock}
        return Chats(lab=open_lab(model=lab.model, admission=admission, **stores))

    return start


async def lease_runs_out(chats: Chats, chat: str) -> None:
    """As if its holder had died or stood still for a minute, whatever clock the store goes by."""
    await chats.lab.key_values.commit(Delete(key=busy_key(ALICE, chat), if_present=True))


async def test_of_twenty_at_once_one_is_answered_and_the_others_are_told_to_wait(lab: Any, process: Process) -> None:
    both = process(), process()
    chat = await both[0].begin()
    lab.model.hold()
    sent = [asyncio.create_task(both[number % 2].say(chat, f"wish {number}")) for number in range(20)]
    ended = asyncio.as_completed(sent)
    for _ in range(19):
        with pytest.raises(SessionBusy):
            await next(ended)
    await lab.model.calls_begun(1)
    lab.model.release()
    reply = await next(ended)

    assert (len(lab.model.requests), reply.message_count) == (1, 2)
    assert await both[1].messages(chat) == [reply.made.picture.prompt]


async def test_whoever_asks_again_until_it_is_free_is_answered_once(lab: Any, process: Process) -> None:
    both = process(), process()
    chat, counts = await both[0].begin(), []

    async def insist(chats: Chats, text: str) -> None:
        while True:
            try:
                counts.append((await chats.say(chat, text)).message_count)
            except SessionBusy:
                await asyncio.sleep(0.001)
            else:
                return

    wishes = [f"wish {number}" for number in range(20)]
    await asyncio.gather(*(insist(both[number % 2], wish) for number, wish in enumerate(wishes)))

    assert sorted(await both[0].messages(chat)) == sorted(wishes)
    assert counts == [2 * number for number in range(1, 21)]
    assert (await both[0].read(chat)).session.message_count == 40
    assert (len(lab.model.requests), lab.model.most_in_flight) == (20, 1)


async def test_each_answer_saw_all_that_were_kept_before_it(lab: Any, process: Process) -> None:
    both = process(), process()
    chat = await both[0].begin()
    for number in range(4):
        await both[number % 2].say(chat, f"wish {number}")

    assert [len(asked.turns) for asked in lab.model.requests] == [1, 3, 5, 7]


async def test_an_answer_whose_lease_was_lost_is_added_to_what_was_said_meanwhile(lab: Any, process: Process) -> None:
    slow, quick = process(), process()
    chat = await slow.begin()
    lab.model.hold()
    late = asyncio.create_task(slow.say(chat, "first asked"))
    await lab.model.calls_begun(1)
    await lease_runs_out(slow, chat)
    early = asyncio.create_task(quick.say(chat, "asked meanwhile"))
    await lab.model.calls_begun(2)
    lab.model.release()
    counts = {(await each).message_count for each in (late, early)}

    assert counts == {2, 4}
    assert sorted(await slow.messages(chat)) == ["asked meanwhile", "first asked"]
    assert (await slow.read(chat)).session.message_count == 4
    assert (await slow.lab.history()).total == 2
    assert await slow.lab.counted() == await slow.lab.counted_again()


async def test_what_was_added_late_is_replayed_like_everything_else(lab: Any, process: Process) -> None:
    slow, quick = process(), process()
    chat = await slow.begin()
    lab.model.hold()
    late = asyncio.create_task(slow.say(chat, "first asked"))
    await lab.model.calls_begun(1)
    await lease_runs_out(slow, chat)
    early = asyncio.create_task(quick.say(chat, "asked meanwhile"))
    await lab.model.calls_begun(2)
    lab.model.release()
    await asyncio.gather(late, early)
    await quick.say(chat, "asked at the end")

    assert len(lab.model.requests[-1].turns) == 5
    assert len(await quick.parts_kept()) == 3


async def test_a_chat_deleted_while_it_answers_leaves_a_picture_and_nothing_else(lab: Any, process: Process) -> None:
    slow, quick = process(), process()
    chat = await slow.begin()
    await slow.say(chat, "a cat")
    lab.clock.advance(1)
    lab.model.hold()
    late = asyncio.create_task(slow.say(chat, "now blue"))
    await lab.model.calls_begun(2)
    await quick.sessions.delete(ALICE, chat)
    lab.model.release()
    with pytest.raises(SessionNotFound):
        await late
    lab.clock.advance(1)
    await quick.sessions.leftovers.remove()

    assert await slow.lab.prompts() == ["now blue", "a cat"]
    assert await quick.parts_kept() == []
    assert (await bytes_kept(slow.lab, chat))[:2] == (None, None)
    assert await quick.listed() == ([], 0)


async def test_redis_frees_the_chat_of_a_dead_process_within_a_minute(open_lab: Any, redis_server: Any) -> None:
    """The test below lets the minute pass on a store whose clock it has."""
    client = connect(redis_server.url)
    chats = Chats(lab=open_lab(key_values=RedisKeyValueStore(client)))
    chat, left = await chats.begin(), []
    lease = f"nbl:v:{busy_key(ALICE, chat)}"
    chats.lab.model.then(lambda _: left.append(redis_server.ask("PTTL", lease)))
    await chats.say(chat)
    await client.aclose()

    assert 0 < left[0] <= LEASE_SECONDS * 1000
    assert redis_server.ask("EXISTS", lease) == 0


@pytest.mark.parametrize("applied", [False, True], ids=["before", "after"])
@pytest.mark.parametrize("at", range(1, 7))
async def test_a_process_that_dies_at_any_write_holds_the_chat_for_a_minute_and_breaks_nothing(
    open_lab: Any, lab: Any, unreliable: Any, mishap: Any, process_died: Any, at: int, *, applied: bool
) -> None:
    chats = Chats(lab=lab)
    chat = await chats.begin()
    await chats.say(chat, "a cat")
    death = mishap(process_died(), "commit", "put", "delete", at=at, applied=applied)
    stores = {"key_values": unreliable(lab.key_values, death), "blobs": unreliable(lab.blobs, death)}
    with pytest.raises(process_died):
        await Chats(lab=open_lab(clock=lab.clock, **stores)).say(chat, "now blue")
    written = at if applied else at - 1
    if written >= 1:
        with pytest.raises(SessionBusy):
            await chats.say(chat, "too early")
    lab.clock.advance(LEASE_SECONDS + 1)
    await lab.reindex()
    await chats.say(chat, "now at night")

    said = ["a cat", "now blue", "now at night"] if written == 6 else ["a cat", "now at night"]
    assert await chats.messages(chat) == said
    assert len(lab.model.requests[-1].turns) == 2 * len(said) - 1
    assert (await lab.history()).total == 2 + (written >= 5)


async def test_a_store_that_lost_its_answer_makes_nothing_twice(
    open_lab: Any, lab: Any, unreliable: Any, mishap: Any
) -> None:
    lost = mishap(StoreUnavailable("key value store"), "commit", at=3, times=1, applied=True)
    flaky = open_lab(clock=lab.clock, key_values=unreliable(lab.key_values, lost), blobs=lab.blobs)
    chat = await Chats(lab=lab).begin()
    reply = await Chats(lab=flaky).say(chat, "a cat")

    assert (lost.seen > 3, reply.message_count) == (True, 2)
    assert await Chats(lab=lab).messages(chat) == ["a cat"]


async def test_an_answer_added_late_is_added_once_when_the_store_lost_its_answer(
    open_lab: Any, lab: Any, unreliable: Any, mishap: Any
) -> None:
    """Commits of the slow one: lease, prolonging, the picture with its turn, the picture alone, the turn alone."""
    clock: FrozenClock = lab.clock
    lost = mishap(StoreUnavailable("key value store"), "commit", at=5, times=1, applied=True)
    flaky = open_lab(clock=clock, key_values=unreliable(lab.key_values, lost), blobs=lab.blobs, model=lab.model)
    slow, quick = Chats(lab=flaky), Chats(lab=lab)
    chat = await quick.begin()

    async def answered_meanwhile(request: Any) -> bytes:
        await lease_runs_out(quick, chat)
        await quick.say(chat, "asked meanwhile")
        return b"".join([chunk async for chunk in await lab.blobs.open((await lab.kept()).key)])

    lab.model.then(answered_meanwhile)
    reply = await slow.say(chat, "first asked")

    assert reply.message_count == 4
    assert await quick.messages(chat) == ["asked meanwhile", "first asked"]
