"""What cannot be replayed is told in words, and the last picture goes along as the user's own."""

from typing import Any

import msgspec
import pytest
from tests.core.chatting import ALICE, Chats, pictures, png, signed, texts

from nano_banana_lab.core.chat.conversation import ExchangeParts, decode_parts, encode_parts
from nano_banana_lab.core.generation.image_request import PicturePart, Role, TextPart
from nano_banana_lab.core.generation.input_pictures import SentPicture, StoredPicture
from nano_banana_lab.core.generation.ports import UpstreamRejected
from nano_banana_lab.core.quota.policy import QuotaPolicy
from nano_banana_lab.testing.scripted_image_model import SCRIPTED_CARD, ScriptedImageModel

SIGNATURE_REFUSED = UpstreamRejected(upstream_status=400, reason="thought_signature")
TOLD = "Earlier in this conversation:\nI asked: a cat\nYou answered with a picture. Here it is."
TOLD_BOTH = f"{TOLD}\nI asked: now blue\nYou answered with a picture. Here it is."


@pytest.fixture
def chats(open_lab: Any) -> Chats:
    model = ScriptedImageModel([signed("a cat", drafts=1), signed("blue", drafts=1)])
    return Chats(lab=open_lab(model=model, policy=QuotaPolicy(enabled=True, cooldown_seconds=0)))


@pytest.fixture
async def chat(chats: Chats) -> str:
    """Two messages old."""
    begun = await chats.begin()
    await chats.say(begun, "a cat")
    await chats.say(begun, "now blue")
    return begun


def only_turn(request: Any) -> Any:
    [turn] = request.turns
    assert turn.role is Role.USER
    return turn


async def blobs_of(chats: Chats, chat: str, number: int) -> tuple[str, str]:
    """Where the parts and the picture of an exchange are."""
    exchange = (await chats.read(chat)).exchanges[number]
    return exchange.parts_key, exchange.picture_key


async def test_with_another_key_the_last_picture_is_the_users_own(chats: Chats, chat: str) -> None:
    await chats.say(chat, "now at night", key="callers-own")

    turn = only_turn(chats.lab.keyed.requests[0])
    _, picture = await blobs_of(chats, chat, 1)
    assert texts(turn) == [TOLD_BOTH, "now at night"]
    assert turn.parts[1] == PicturePart(data=png("blue"), mime_type="image/png", key=picture)


@pytest.mark.parametrize("key", [None, "yet-another"])
async def test_what_another_key_made_is_not_replayed_to_any_other(chats: Chats, chat: str, key: str | None) -> None:
    await chats.say(chat, "now at night", key="callers-own")
    await chats.say(chat, "now by day", key=key)

    request = (chats.lab.keyed if key else chats.lab.model).requests[-1]
    assert len(texts(only_turn(request))[0].splitlines()) == 1 + 3 * 2


async def test_with_the_same_key_again_it_is_replayed_with_the_picture_that_went_along(chats: Chats, chat: str) -> None:
    chats.lab.keyed.then(signed("night"))
    await chats.say(chat, "now at night", key="callers-own")
    await chats.say(chat, "now by day", key="callers-own")

    first, model, last = chats.lab.keyed.requests[-1].turns
    assert (texts(first), texts(last)) == ([TOLD_BOTH, "now at night"], ["now by day"])
    assert pictures(first) == [png("blue")]
    assert first.parts[0] == TextPart(text=TOLD_BOTH)  # in front of the picture, as it was then
    assert model.parts == signed("night").parts


async def test_another_model_gets_the_picture_as_the_users_own(open_lab: Any, chats: Chats, chat: str) -> None:
    another = ScriptedImageModel(card=msgspec.structs.replace(SCRIPTED_CARD, id="another"))
    lab = chats.lab
    upgraded = open_lab(model=another, clock=lab.clock, key_values=lab.key_values, blobs=lab.blobs)
    await Chats(lab=upgraded).say(chat, "now at night")

    assert pictures(only_turn(another.requests[0])) == [png("blue")]


@pytest.mark.parametrize("damage", [None, b"", b"\x00", b"\xc1" * 100, b'{"user":[]}', "cut", "another"])
async def test_an_exchange_whose_parts_are_lost_is_told(chats: Chats, chat: str, damage: Any) -> None:
    parts, _ = await blobs_of(chats, chat, 1)
    whole = b"".join([chunk async for chunk in await chats.lab.blobs.open(parts)])
    await chats.lab.blobs.delete(parts)
    if damage is not None:
        damage = {"cut": whole[:-1], "another": b"\x91" + whole}.get(damage, damage)
        await chats.lab.blobs.put(parts, damage, content_type="application/vnd.msgpack")
    await chats.say(chat, "now at night")

    turn = only_turn(chats.lab.model.requests[-1])
    assert (texts(turn), pictures(turn)) == ([TOLD_BOTH, "now at night"], [png("blue")])


def test_whatever_byte_of_the_parts_is_damaged_it_is_noticed_or_harmless() -> None:
    whole = encode_parts(ExchangeParts(user=(TextPart(text="ä cat"),), model=signed("a cat").parts))
    noticed = 0
    for position in range(len(whole)):
        for flipped in (0x01, 0x80, 0xFF):
            blob = bytearray(whole)
            blob[position] ^= flipped
            try:
                assert isinstance(decode_parts(bytes(blob)), ExchangeParts)
            except msgspec.DecodeError:
                noticed += 1

    assert noticed > 100


async def test_before_a_lost_exchange_nothing_is_replayed_and_after_it_everything(chats: Chats, chat: str) -> None:
    parts, _ = await blobs_of(chats, chat, 0)
    await chats.lab.blobs.delete(parts)
    await chats.say(chat, "now at night")

    first, model, last = chats.lab.model.requests[-1].turns
    assert (texts(first), pictures(first)) == ([TOLD, "now blue"], [])
    assert (model.parts, texts(last)) == (signed("blue", drafts=1).parts, ["now at night"])


async def test_a_picture_that_its_owner_deleted_is_not_shown_again_nor_are_its_drafts(chats: Chats, chat: str) -> None:
    last = (await chats.read(chat)).exchanges[-1]
    await chats.lab.delete(ALICE, [last.picture_id])
    await chats.say(chat, "now at night")

    turn = only_turn(chats.lab.model.requests[-1])
    assert (texts(turn), pictures(turn)) == ([TOLD_BOTH, "now at night"], [png("a cat")])


async def test_when_every_picture_was_deleted_the_words_are_left(chats: Chats, chat: str) -> None:
    await chats.lab.delete(ALICE, [exchange.picture_id for exchange in (await chats.read(chat)).exchanges])
    await chats.say(chat, "now at night")

    turn = only_turn(chats.lab.model.requests[-1])
    assert (texts(turn), pictures(turn)) == ([TOLD_BOTH, "now at night"], [])


async def test_a_picture_of_the_users_that_is_gone_is_left_out_and_the_rest_replayed(open_lab: Any) -> None:
    chats = Chats(lab=open_lab())
    stored, chat = await chats.lab.kept(), await chats.begin()
    given = (StoredPicture(key=stored.key, field="images[0]"), SentPicture(data=png("sent"), field="images[1]"))
    await chats.say(chat, "together", pictures=given)
    await chats.lab.delete(ALICE, [stored.id])
    await chats.say(chat, "now blue")

    turns = chats.lab.model.requests[-1].turns
    assert (len(turns), texts(turns[0]), pictures(turns[0])) == (3, ["together"], [png("sent")])


async def test_when_the_model_refuses_its_own_parts_it_is_asked_once_more_and_charged_once(
    chats: Chats, chat: str
) -> None:
    chats.lab.model.then(SIGNATURE_REFUSED)
    reply = await chats.say(chat, "now at night")

    refused, accepted = chats.lab.model.requests[2:]
    assert len(refused.turns) == 5
    _, blue = await blobs_of(chats, chat, 1)
    assert only_turn(accepted).parts[1] == PicturePart(data=png("blue"), mime_type="image/png", key=blue)  # unsigned
    assert reply.message_count == 6
    assert (await chats.lab.usage(ALICE)).points == 3
    assert accepted.settings == refused.settings


async def test_what_came_of_a_fallback_is_replayed_from_then_on(chats: Chats, chat: str) -> None:
    chats.lab.model.then(SIGNATURE_REFUSED, signed("night"), SIGNATURE_REFUSED, signed("day"))
    await chats.say(chat, "now at night")
    await chats.say(chat, "now by day")

    first, model, _ = chats.lab.model.requests[-2].turns
    assert (texts(first), model.parts) == ([TOLD_BOTH, "now at night"], signed("night").parts)
    assert pictures(only_turn(chats.lab.model.requests[-1])) == [png("night")]


async def test_refused_twice_the_message_fails_and_costs_nothing(chats: Chats, chat: str) -> None:
    chats.lab.model.then(SIGNATURE_REFUSED, SIGNATURE_REFUSED)
    with pytest.raises(UpstreamRejected):
        await chats.say(chat, "now at night")

    assert len(chats.lab.model.requests) == 4
    assert (await chats.lab.usage(ALICE)).points == 2
    assert await chats.messages(chat) == ["a cat", "now blue"]


@pytest.mark.parametrize("reason", ["input_image", "location", None])
async def test_any_other_refusal_is_not_repeated(chats: Chats, chat: str, reason: str | None) -> None:
    chats.lab.model.then(UpstreamRejected(upstream_status=400, reason=reason))
    with pytest.raises(UpstreamRejected):
        await chats.say(chat, "now at night")

    assert len(chats.lab.model.requests) == 3


async def test_where_nothing_was_replayed_nothing_is_asked_twice(open_lab: Any) -> None:
    chats = Chats(lab=open_lab(model=ScriptedImageModel([SIGNATURE_REFUSED])))
    with pytest.raises(UpstreamRejected):
        await chats.say(await chats.begin())

    assert len(chats.lab.model.requests) == 1


async def test_an_answer_without_parts_is_not_replayed_as_an_empty_turn(open_lab: Any) -> None:
    chats = Chats(lab=open_lab())
    answer = signed("a cat")
    chats.lab.model.then(type(answer)(data=answer.data, mime_type="image/png", model="m", model_version="m"))
    chat = await chats.begin()
    await chats.say(chat)
    await chats.say(chat, "now blue")

    assert pictures(only_turn(chats.lab.model.requests[-1])) == [png("a cat")]


async def test_an_answer_that_complains_of_a_signature_may_be_billed_so_nothing_is_asked_again(
    chats: Chats, chat: str
) -> None:
    chats.lab.model.then(UpstreamRejected(upstream_code="MISSING_THOUGHT_SIGNATURE", reason="thought_signature"))
    with pytest.raises(UpstreamRejected):
        await chats.say(chat, "now at night")

    assert len(chats.lab.model.requests) == 3


async def test_the_picture_that_went_along_leaves_the_chat_with_the_history(chats: Chats, chat: str) -> None:
    blue = (await chats.read(chat)).exchanges[-1]
    await chats.say(chat, "now at night", key="callers-own")
    await chats.lab.delete(ALICE, [blue.picture_id])
    await chats.say(chat, "now by day", key="callers-own")

    first, _, _ = chats.lab.keyed.requests[-1].turns
    assert (pictures(first), len(await chats.parts_kept())) == ([], 4)
