"""A message that fails leaves its chat exactly as it was, and costs nobody anything."""

import asyncio
from typing import Any

import pytest
from tests.core.chatting import ALICE, Chats, bytes_kept

from nano_banana_lab.core.chat.conversation import SessionNotFound
from nano_banana_lab.core.chat.keys import busy_key
from nano_banana_lab.core.generation.admission import Admission, Overloaded
from nano_banana_lab.core.generation.paid_calls import ShuttingDown
from nano_banana_lab.core.generation.ports import ContentBlocked, GenerationError, NoImage, UpstreamFailed
from nano_banana_lab.core.history.picture import Mode
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.core.quota.refusals import TrialRefused
from nano_banana_lab.core.storage.operations import Delete
from nano_banana_lab.core.storage.ports import StoreUnavailable

TRIAL = QuotaPolicy(enabled=True, cooldown_seconds=0)


@pytest.fixture
def lab(open_lab: Any) -> Any:
    return open_lab(policy=TRIAL)


@pytest.fixture
def chats(lab: Any) -> Chats:
    return Chats(lab=lab)


@pytest.fixture
async def chat(chats: Chats) -> str:
    """One message old."""
    begun = await chats.begin()
    await chats.say(begun, "a cat")
    return begun


async def used(lab: Any) -> tuple[int, int, int]:
    """Points, those of them that are set aside, and pictures made in chats."""
    usage = await lab.usage(ALICE)
    return usage.points, usage.points_set_aside, usage.pictures.get("chat", 0)


async def test_a_message_costs_what_a_chat_costs(lab: Any, chat: str) -> None:
    assert await used(lab) == (1, 0, 1)


@pytest.mark.parametrize("failure", [ContentBlocked(reason="SAFETY"), NoImage(), UpstreamFailed(), RuntimeError("bug")])
async def test_without_a_picture_nothing_was_said(lab: Any, chats: Chats, chat: str, failure: Exception) -> None:
    before, files = await bytes_kept(lab, chat), await lab.files()
    lab.clock.advance(5)

    def fail(request: Any) -> bytes:
        raise failure

    lab.model.then(failure if isinstance(failure, GenerationError) else fail)
    with pytest.raises(type(failure)):
        await chats.say(chat, "now blue")

    assert (await bytes_kept(lab, chat), await lab.files()) == (before, files)
    assert await used(lab) == (1, 0, 1)
    assert (await chats.say(chat, "now green")).message_count == 4


async def test_an_answer_that_is_no_picture_is_a_failure_too(lab: Any, chats: Chats, chat: str) -> None:
    before = await bytes_kept(lab, chat)
    lab.model.then(b"not a picture")
    with pytest.raises(NoImage):
        await chats.say(chat, "now blue")

    assert (await bytes_kept(lab, chat), await used(lab)) == (before, (1, 0, 1))


LEASE, PROLONG, RESERVE, PARTS, SIDECAR, BYTES, LISTED = range(1, 8)


@pytest.mark.parametrize("at", range(LEASE, LISTED + 1))
async def test_when_a_store_goes_away_before_a_write_and_stays_away(
    open_lab: Any, lab: Any, unreliable: Any, mishap: Any, chats: Chats, chat: str, at: int
) -> None:
    before = await bytes_kept(lab, chat)
    away = mishap(StoreUnavailable("store"), "commit", "put", "delete", "head", at=at)
    stores = {"key_values": unreliable(lab.key_values, away), "blobs": unreliable(lab.blobs, away)}
    with pytest.raises(StoreUnavailable):
        await Chats(lab=open_lab(policy=TRIAL, clock=lab.clock, **stores)).say(chat, "now blue")
    lab.clock.advance(61)
    await lab.ledger.release_expired()

    assert (await bytes_kept(lab, chat), await used(lab)) == (before, (1, 0, 1))
    assert (await chats.say(chat, "now green")).message_count == 4
    assert len(lab.model.requests[-1].turns) == 3


@pytest.mark.parametrize("at", range(RESERVE, LISTED + 1))
async def test_a_store_that_is_away_for_a_moment_costs_no_picture_that_was_paid(
    open_lab: Any, lab: Any, unreliable: Any, mishap: Any, chats: Chats, chat: str, at: int
) -> None:
    away = mishap(StoreUnavailable("store"), "commit", "put", at=at, times=1)
    stores = {"key_values": unreliable(lab.key_values, away), "blobs": unreliable(lab.blobs, away)}
    shaken = Chats(lab=open_lab(policy=TRIAL, clock=lab.clock, **stores))
    if at == RESERVE:
        with pytest.raises(StoreUnavailable):
            await shaken.say(chat, "now blue")
        assert shaken.lab.model.requests == []
    else:
        assert (await shaken.say(chat, "now blue")).message_count == 4
        assert await chats.messages(chat) == ["a cat", "now blue"]
        assert await used(lab) == (2, 0, 2)


async def test_a_conversation_that_cannot_be_read_back_is_not_answered_without_it(
    open_lab: Any, lab: Any, unreliable: Any, mishap: Any, chat: str
) -> None:
    away = unreliable(lab.blobs, mishap(StoreUnavailable("blob store"), "open"))
    elsewhere = open_lab(policy=TRIAL, clock=lab.clock, key_values=lab.key_values, blobs=away)
    with pytest.raises(StoreUnavailable):
        await Chats(lab=elsewhere).say(chat, "now blue")

    assert (elsewhere.model.requests, await used(lab)) == ([], (1, 0, 1))


async def test_an_answer_cut_off_by_the_shutdown_was_never_asked_for(lab: Any, chats: Chats, chat: str) -> None:
    before = await bytes_kept(lab, chat)
    lab.model.hold()
    sent = asyncio.create_task(chats.say(chat, "now blue"))
    await lab.model.calls_begun(2)
    lab.paid_calls.close()
    cut_off = await lab.paid_calls.finish(0)
    with pytest.raises(ShuttingDown):
        await sent

    assert (cut_off, await bytes_kept(lab, chat), await used(lab)) == (1, before, (1, 0, 1))


async def test_the_next_process_need_not_wait_for_one_that_was_shut_down(
    open_lab: Any, lab: Any, chats: Chats, chat: str
) -> None:
    lab.model.hold()
    sent = asyncio.create_task(chats.say(chat, "now blue"))
    await lab.model.calls_begun(2)
    await lab.paid_calls.finish(0)
    await asyncio.gather(sent, return_exceptions=True)
    restarted = open_lab(policy=TRIAL, clock=lab.clock, key_values=lab.key_values, blobs=lab.blobs)

    assert (await Chats(lab=restarted).say(chat, "now blue")).message_count == 4


async def test_who_hangs_up_finds_the_answer_in_the_chat_later(lab: Any, chats: Chats, chat: str) -> None:
    lab.model.hold()
    sent = asyncio.create_task(chats.say(chat, "now blue"))
    await lab.model.calls_begun(2)
    sent.cancel()
    await asyncio.gather(sent, return_exceptions=True)
    still_busy = await lab.key_values.get(busy_key(ALICE, chat))
    lab.model.release()
    await lab.paid_calls.finish(60)

    assert still_busy
    assert await chats.messages(chat) == ["a cat", "now blue"]
    assert await used(lab) == (2, 0, 2)


async def test_without_points_nothing_is_asked(open_lab: Any) -> None:
    lab = open_lab(policy=QuotaPolicy(enabled=True, global_points=1, cooldown_seconds=0))
    chats = Chats(lab=lab)
    chat = await chats.begin()
    await chats.say(chat, "a cat")
    before = await bytes_kept(lab, chat)
    with pytest.raises(TrialRefused):
        await chats.say(chat, "now blue")

    assert (len(lab.model.requests), await bytes_kept(lab, chat)) == (1, before)


async def test_without_room_nothing_is_said(open_lab: Any) -> None:
    lab = open_lab(policy=TRIAL, admission=Admission(concurrent=1, waiting=0))
    chats = Chats(lab=lab)
    one, other = await chats.begin(), await chats.begin()
    before = await bytes_kept(lab, other)
    lab.model.hold()
    sent = asyncio.create_task(chats.say(one))
    await lab.model.calls_begun(1)
    with pytest.raises(Overloaded):
        await chats.say(other)
    lab.model.release()
    await sent

    assert (await bytes_kept(lab, other))[:2] == before[:2]
    assert await used(lab) == (1, 0, 1)


async def test_the_picture_of_a_chat_that_was_deleted_meanwhile_is_kept_and_charged(
    lab: Any, chats: Chats, chat: str
) -> None:
    async def deleted_meanwhile(request: Any) -> None:
        lab.clock.advance(1)
        await chats.sessions.delete(ALICE, chat)

    lab.model.then(deleted_meanwhile)
    with pytest.raises(SessionNotFound):
        await chats.say(chat, "now blue")

    assert [picture.mode for picture in (await lab.history()).pictures] == [Mode.CHAT] * 2
    assert (await lab.prompts(), await used(lab)) == (["now blue", "a cat"], (2, 0, 2))
    assert await bytes_kept(lab, chat) == (None, None, (await bytes_kept(lab, chat))[2])
    assert await chats.listed() == ([], 0)


async def test_nothing_is_left_of_a_deleted_chat_whose_slow_answer_had_lost_its_lease(
    lab: Any, chats: Chats, chat: str
) -> None:
    async def deleted_and_removed_meanwhile(request: Any) -> None:
        await chats.sessions.delete(ALICE, chat)
        await lab.key_values.commit(Delete(key=busy_key(ALICE, chat), if_present=True))
        lab.clock.advance(1)
        assert await chats.sessions.leftovers.remove() == 1

    lab.model.then(deleted_and_removed_meanwhile)
    with pytest.raises(SessionNotFound):
        await chats.say(chat, "now blue")

    assert await chats.parts_kept() == []


@pytest.mark.parametrize("at", [PARTS, SIDECAR, BYTES, LISTED, LISTED + 1])
async def test_nothing_is_left_of_a_deleted_chat_whenever_the_process_that_answered_died(
    open_lab: Any, lab: Any, unreliable: Any, mishap: Any, process_died: Any, chats: Chats, chat: str, at: int
) -> None:
    death = mishap(process_died(), "commit", "put", "delete", at=at)
    stores = {"key_values": unreliable(lab.key_values, death), "blobs": unreliable(lab.blobs, death)}
    dying = Chats(lab=open_lab(policy=TRIAL, clock=lab.clock, **stores))

    async def deleted_meanwhile(request: Any) -> None:
        await chats.sessions.delete(ALICE, chat)
        lab.clock.advance(1)
        await chats.sessions.leftovers.remove()

    dying.lab.model.then(deleted_meanwhile)
    with pytest.raises(process_died):
        await dying.say(chat, "now blue")
    lab.clock.advance(61)
    await chats.sessions.leftovers.remove()

    assert await chats.parts_kept() == []
