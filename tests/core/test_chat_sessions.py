"""Chats go by the clock: each message gives them new time, and what is left of them goes after them."""

import asyncio
from typing import Any

import pytest
from tests.core.chatting import ALICE, Chats, signed

from nano_banana_lab.core.chat.conversation import SessionNotFound
from nano_banana_lab.core.chat.keys import LEFTOVERS
from nano_banana_lab.core.generation.ports import NoImage
from nano_banana_lab.core.storage.ports import StoreUnavailable

TTL = 1000
A_MOMENT = 0.001


@pytest.fixture
def chats(lab: Any) -> Chats:
    return Chats(lab=lab, ttl_seconds=TTL)


async def is_alive(chats: Chats, chat: str) -> bool:
    """As the list, its total and the chat itself say, which must agree."""
    ids, total = await chats.listed()
    try:
        found = (await chats.read(chat)).session.id == chat
    except SessionNotFound:
        found = False
    assert (chat in ids, total) == (found, len(ids))
    return found


async def test_a_chat_lives_its_time_to_the_millisecond(lab: Any, chats: Chats) -> None:
    chat = await chats.begin()
    lab.clock.advance(TTL - A_MOMENT)
    just_before = await is_alive(chats, chat)
    lab.clock.advance(A_MOMENT)

    assert (just_before, await is_alive(chats, chat)) == (True, False)
    with pytest.raises(SessionNotFound):
        await chats.say(chat)


async def test_every_message_gives_it_its_whole_time_again(lab: Any, chats: Chats) -> None:
    chat = await chats.begin()
    for _ in range(5):
        lab.clock.advance(TTL - A_MOMENT)
        await chats.say(chat)
    lab.clock.advance(TTL - A_MOMENT)
    just_before = await is_alive(chats, chat)
    lab.clock.advance(A_MOMENT)

    assert (just_before, await is_alive(chats, chat)) == (True, False)


async def test_looking_at_a_chat_gives_it_no_time(lab: Any, chats: Chats) -> None:
    chat = await chats.begin()
    lab.clock.advance(TTL - 1)
    await chats.read(chat)
    lab.clock.advance(1)

    assert not await is_alive(chats, chat)


async def test_no_chat_expires_while_it_is_answering(lab: Any, chats: Chats) -> None:
    chat = await chats.begin()
    lab.clock.advance(TTL - A_MOMENT)

    async def takes_long(request: Any) -> None:
        lab.clock.advance(TTL + 600)
        assert await is_alive(chats, chat)

    lab.model.then(takes_long)
    await chats.say(chat)
    lab.clock.advance(TTL - A_MOMENT)

    assert await is_alive(chats, chat)
    lab.clock.advance(A_MOMENT)
    assert not await is_alive(chats, chat)


async def test_a_message_that_fails_is_activity_too(lab: Any, chats: Chats) -> None:
    chat = await chats.begin()
    lab.clock.advance(TTL - 1)
    lab.model.then(NoImage())
    with pytest.raises(NoImage):
        await chats.say(chat)
    lab.clock.advance(TTL - A_MOMENT)
    just_before = await is_alive(chats, chat)
    lab.clock.advance(A_MOMENT)

    assert (just_before, await is_alive(chats, chat)) == (True, False)


async def test_the_list_shows_the_latest_activity_first_in_pages(lab: Any, chats: Chats) -> None:
    begun = []
    for _ in range(4):
        lab.clock.advance(1)
        begun.append(await chats.begin())
    lab.clock.advance(1)
    await chats.say(begun[1])

    pages = [await chats.sessions.page(ALICE, limit=3, offset=offset) for offset in (0, 3, 6)]
    assert [[begun.index(each.id) for each in found] for found, _ in pages] == [[1, 3, 2], [0], []]
    assert [total for _, total in pages] == [4, 4, 4]


async def test_each_chat_in_a_list_goes_at_its_own_time(lab: Any, chats: Chats) -> None:
    old = await chats.begin()
    lab.clock.advance(TTL / 2)
    young = await chats.begin()
    lab.clock.advance(TTL / 2)

    assert await chats.listed() == ([young], 1)
    assert (await is_alive(chats, old), await is_alive(chats, young)) == (False, True)


async def test_a_deleted_chat_is_gone_at_once_and_its_pictures_stay(lab: Any, chats: Chats) -> None:
    chat = await chats.begin()
    await chats.say(chat, "a cat")
    await chats.sessions.delete(ALICE, chat)

    assert not await is_alive(chats, chat)
    assert await lab.prompts() == ["a cat"]
    with pytest.raises(SessionNotFound):
        await chats.sessions.delete(ALICE, chat)


@pytest.mark.parametrize("end", ["deleted", "expired"])
async def test_the_parts_of_a_chat_go_after_it_and_its_pictures_stay(lab: Any, chats: Chats, end: str) -> None:
    ended, another = await chats.begin(), await chats.begin()
    for chat in (ended, ended, another):
        lab.model.then(signed("a cat", drafts=2))
        await chats.say(chat)
    if end == "deleted":
        await chats.sessions.delete(ALICE, ended)
    else:
        lab.clock.advance(TTL)
        another = await chats.begin()
        await chats.say(another)
    lab.clock.advance(A_MOMENT)
    removed = await chats.sessions.leftovers.remove()

    assert removed == (1 if end == "deleted" else 2)
    assert [another in key for key in await chats.parts_kept()] == [True]
    assert (await lab.history()).total == len([key for key in await lab.files() if key.endswith(".png")])


async def test_nothing_of_a_living_chat_is_removed_however_far_our_clock_is_ahead(open_lab: Any, lab: Any) -> None:
    chats = Chats(lab=lab, ttl_seconds=TTL)
    chat = await chats.begin()
    await chats.say(chat)
    fast = open_lab(key_values=lab.key_values, blobs=lab.blobs, model=lab.model)
    fast.clock.advance(10 * TTL)
    removed = await Chats(lab=fast, ttl_seconds=TTL).sessions.leftovers.remove()
    await chats.say(chat)

    assert removed == 0
    assert (len(await chats.parts_kept()), len(lab.model.requests[-1].turns)) == (2, 3)


async def test_a_chat_that_was_spared_goes_when_its_time_has_come(open_lab: Any, lab: Any) -> None:
    chats = Chats(lab=lab, ttl_seconds=TTL)
    await chats.say(await chats.begin())
    fast = open_lab(key_values=lab.key_values, blobs=lab.blobs)
    fast.clock.advance(10 * TTL)
    sessions = Chats(lab=fast).sessions
    spared = await sessions.leftovers.remove()
    lab.clock.advance(TTL)
    fast.clock.advance(61)

    assert (spared, await sessions.leftovers.remove()) == (0, 1)
    assert await chats.parts_kept() == []
    assert await lab.key_values.count(LEFTOVERS) == 0


async def test_several_may_remove_at_once_while_chats_go_on(open_lab: Any, lab: Any, chats: Chats) -> None:
    ended = [await chats.begin() for _ in range(120)]
    for chat in ended[:10]:
        await chats.say(chat)
    lab.clock.advance(TTL)
    living = [await chats.begin() for _ in range(5)]
    lab.clock.advance(A_MOMENT)
    removers = [Chats(lab=open_lab(clock=lab.clock, key_values=lab.key_values, blobs=lab.blobs)) for _ in range(3)]
    said = [chats.say(chat) for chat in living]
    await asyncio.gather(*(remover.sessions.leftovers.remove() for remover in removers), *said)

    assert sorted(key.split("/")[2] for key in await chats.parts_kept()) == sorted(living)
    assert await lab.key_values.count(LEFTOVERS) == len(living)


async def test_a_removal_that_was_cut_short_is_finished_later(lab: Any, unreliable: Any, mishap: Any) -> None:
    chats = Chats(lab=lab, ttl_seconds=TTL)
    for _ in range(3):
        await chats.say(await chats.begin())
    lab.clock.advance(TTL + 1)
    lab.blobs = unreliable(lab.blobs, mishap(StoreUnavailable("blob store"), "delete", at=2, times=1))
    shaken = Chats(lab=lab)
    with pytest.raises(StoreUnavailable):
        await shaken.sessions.leftovers.remove()

    assert await shaken.sessions.leftovers.remove() == 2
    assert await chats.parts_kept() == []


async def test_what_is_left_of_chats_after_the_index_was_lost_is_found_and_removed(open_lab: Any, lab: Any) -> None:
    lost = Chats(lab=lab, ttl_seconds=TTL)
    await lost.say(await lost.begin())
    rebuilt = open_lab(blobs=lab.blobs, clock=lab.clock)
    chats = Chats(lab=rebuilt, ttl_seconds=TTL)
    living = await chats.begin()
    await chats.say(living)
    await chats.sessions.leftovers.find()
    lab.clock.advance(A_MOMENT)

    assert await chats.sessions.leftovers.remove() == 1
    assert [living in key for key in await chats.parts_kept()] == [True]
