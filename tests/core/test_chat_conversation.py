"""The model sees the whole conversation, its own part of it exactly as it made it."""

import asyncio
import hashlib
from typing import Any

import msgspec
import pytest
from tests.core.chatting import ALICE, Chats, pictures, png, signed, texts
from tests.core.input_labs import photo

from nano_banana_lab.core.chat.conversation import SessionNotFound, decode_parts
from nano_banana_lab.core.chat.export_chat import as_markdown
from nano_banana_lab.core.generation.image_request import PicturePart, Resolution, Role, TextPart
from nano_banana_lab.core.generation.input_pictures import SentPicture, StoredPicture
from nano_banana_lab.core.history.picture import ImageNotFound, Mode
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.core.storage.ports import read_blob

BOB = OwnerId("bob")


@pytest.fixture
def chats(lab: Any) -> Chats:
    return Chats(lab=lab)


async def test_roles_take_turns_and_everything_is_in_the_order_in_which_it_was_said(lab: Any, chats: Chats) -> None:
    chat = await chats.begin()
    for wish in ("a cat", "now blue", "now at night"):
        await chats.say(chat, wish)

    turns = lab.model.requests[-1].turns
    assert [turn.role for turn in turns] == [Role.USER, Role.MODEL, Role.USER, Role.MODEL, Role.USER]
    assert [texts(turn) for turn in turns[::2]] == [["a cat"], ["now blue"], ["now at night"]]


@pytest.mark.parametrize("drafts", [0, 2])
@pytest.mark.parametrize("text", ["Here it is.", None])
async def test_the_models_parts_come_back_byte_for_byte_with_their_signatures(
    lab: Any, chats: Chats, drafts: int, text: str | None
) -> None:
    answers = [signed("first", drafts=drafts, text=text), signed("second", drafts=drafts, text=text)]
    lab.model.then(*answers)
    chat = await chats.begin()
    for wish in ("a cat", "now blue", "now at night"):
        await chats.say(chat, wish)

    turns = lab.model.requests[-1].turns
    assert [turn.parts for turn in turns if turn.role is Role.MODEL] == [answer.parts for answer in answers]


async def test_thoughts_are_kept_for_the_reader_and_not_shown_to_the_model(lab: Any, chats: Chats) -> None:
    lab.model.then(signed("a cat"))
    chat = await chats.begin()
    await chats.say(chat, include_thinking=True)
    await chats.say(chat, "now blue")

    assert (await chats.read(chat)).exchanges[0].thinking == "thinking of a cat"
    assert b"thinking" not in msgspec.json.encode(lab.model.requests[-1].turns)
    assert [asked.include_thinking for asked in lab.model.requests] == [True, False]


async def test_pictures_of_the_user_are_seen_again_before_their_words(lab: Any, chats: Chats) -> None:
    stored, chat = await lab.kept(), await chats.begin()
    given = (StoredPicture(key=stored.key, field="images[0]"), SentPicture(data=png("sent"), field="images[1]"))
    await chats.say(chat, "these two together", pictures=given)
    await chats.say(chat, "now blue")

    first = lab.model.requests[-1].turns[0]
    assert lab.model.requests[0].turns == (first,)
    assert [type(part) for part in first.parts] == [PicturePart, PicturePart, TextPart]
    assert pictures(first) == [png(stored.id), png("sent")]


async def test_no_picture_that_is_in_the_history_is_stored_a_second_time(lab: Any, chats: Chats) -> None:
    lab.model.then(signed("a cat"))
    stored, chat = await lab.kept(), await chats.begin()
    await chats.say(chat, pictures=(StoredPicture(key=stored.key, field="images[0]"),))
    [parts] = await chats.parts_kept()
    blob = b"".join([chunk async for chunk in await lab.blobs.open(parts)])

    assert png("a cat") not in blob
    assert png(stored.id) not in blob
    assert b"a cat/0\x00\xff\xfe" in blob


async def test_pictures_of_a_chat_are_filed_as_such(lab: Any, chats: Chats) -> None:
    chat = await chats.begin(aspect_ratio="16:9")
    reply = await chats.say(chat, "  a cat ", resolution=Resolution.TWO_K)
    picture = await lab.find.one(ALICE, reply.made.picture.id)

    assert (picture.mode, picture.session_id, picture.prompt) == (Mode.CHAT, chat, "a cat")
    assert (picture.aspect_ratio, picture.resolution) == ("16:9", "2K")
    assert await lab.counted() == await lab.counted_again()


async def test_a_message_may_ask_for_another_shape_than_its_chat(lab: Any, chats: Chats) -> None:
    chat = await chats.begin(aspect_ratio="16:9")
    await chats.say(chat, aspect_ratio="9:16")
    await chats.say(chat)

    assert [asked.settings.aspect_ratio for asked in lab.model.requests] == ["9:16", "16:9"]


async def test_what_was_said_can_be_read_again(lab: Any, chats: Chats) -> None:
    lab.model.then(signed("a cat"))
    chat, began = await chats.begin(), lab.clock.now()
    lab.clock.advance(5)
    reply = await chats.say(chat, "a cat")
    conversation = await chats.read(chat)

    [exchange] = conversation.exchanges
    assert (exchange.message, exchange.text, exchange.picture_id) == ("a cat", "Here it is.", reply.made.picture.id)
    assert (conversation.session.created_at, conversation.session.last_activity) == (began, lab.clock.now())
    assert (conversation.session.message_count, reply.message_count, conversation.session.title) == (2, 2, "a cat")


async def test_the_first_message_names_the_chat_and_later_ones_do_not(chats: Chats) -> None:
    chat = await chats.begin()
    await chats.say(chat, "a cat " + "y" * 200)
    await chats.say(chat, "now blue")

    [session], _ = await chats.sessions.page(ALICE, limit=10)
    assert session.title == ("a cat " + "y" * 200)[:80]
    assert session == (await chats.read(chat)).session


async def test_another_process_goes_on_where_the_first_one_was_stopped(open_lab: Any, lab: Any, chats: Chats) -> None:
    lab.model.then(signed("a cat", drafts=1))
    chat = await chats.begin()
    await chats.say(chat, "a cat")
    restarted = open_lab(clock=lab.clock, key_values=lab.key_values, blobs=lab.blobs)
    reply = await Chats(lab=restarted).say(chat, "now blue")

    assert reply.message_count == 4
    assert restarted.model.requests[0].turns[1].parts == signed("a cat", drafts=1).parts
    assert await chats.messages(chat) == ["a cat", "now blue"]


async def test_nobody_sees_another_owners_chat(chats: Chats) -> None:
    chat = await chats.begin()

    for act in (chats.read(chat, BOB), chats.say(chat, owner=BOB), chats.sessions.delete(BOB, chat)):
        with pytest.raises(SessionNotFound):
            await act
    assert (await chats.listed(BOB), await chats.listed()) == (([], 0), ([chat], 1))


@pytest.mark.parametrize(
    "name", ["", "nonsense", "../etc/passwd", "A" * 32, "0" * 2000, "\x00", "0123456789abcdef" * 2]
)
async def test_no_name_but_a_chats_own_finds_one(chats: Chats, name: str) -> None:
    for act in (chats.read(name), chats.say(name), chats.sessions.delete(ALICE, name)):
        with pytest.raises(SessionNotFound):
            await act


async def test_what_is_wrong_with_a_message_is_said_before_anything_is_paid(lab: Any, chats: Chats) -> None:
    chat, none_of_hers = await chats.begin(), (StoredPicture(key="users/bob/a.png", field="images[0]"),)
    many = tuple(SentPicture(data=png(str(number)), field="images") for number in range(15))
    for wrong in ({"text": " "}, {"text": "x" * 2001}, {"pictures": many}, {"aspect_ratio": "7:5"}):
        with pytest.raises(ValidationFailed):
            await chats.say(chat, **wrong)
    with pytest.raises(ImageNotFound):
        await chats.say(chat, pictures=none_of_hers)

    assert (lab.model.requests, (await chats.read(chat)).exchanges) == ([], ())
    assert await chats.say(chat)


async def test_different_chats_of_one_owner_are_answered_at_once(lab: Any, chats: Chats) -> None:
    lab.model.hold()
    both = [asyncio.create_task(chats.say(await chats.begin(), wish)) for wish in ("a cat", "a dog")]
    await lab.model.calls_begun(2)
    lab.model.release()
    replies = await asyncio.gather(*both)

    assert lab.model.most_in_flight == 2
    assert [reply.message_count for reply in replies] == [2, 2]


async def test_a_chat_can_be_written_down_for_people(lab: Any, chats: Chats) -> None:
    lab.model.then(signed("a cat"), signed("blue", text="# Voilà\n\nblue"))
    chat = await chats.begin()
    kept, gone = [(await chats.say(chat, wish)).made.picture.id for wish in ("a cat", "now\n## blue")]

    lines = as_markdown(await chats.read(chat), {kept: "/kept.png"}).splitlines()
    assert lines[0] == "# a cat"
    assert [line for line in lines if line.startswith("##")] == ["## User", "## Assistant"] * 2
    assert ("> ## blue" in lines, "> # Voilà" in lines, f"![Picture {kept}](/kept.png)" in lines) == (True,) * 3
    assert "*This picture was deleted.*" in lines
    assert gone not in "".join(lines)


async def test_the_key_that_paid_is_nowhere_in_what_is_kept(lab: Any, chats: Chats) -> None:
    chat = await chats.begin()
    await chats.say(chat, key="callers-own-key")
    kept = [await chats.sessions.one(ALICE, chat)] + [
        b"".join([chunk async for chunk in await lab.blobs.open(key)]) for key in await lab.files()
    ]

    assert "callers-own-key" not in str(kept)
    assert hashlib.sha256(b"callers-own-key").hexdigest() not in str(kept)


async def test_a_picture_that_must_be_turned_is_kept_as_it_came_and_shown_turned_each_time(chats: Chats) -> None:
    chat, on_its_side = await chats.begin(), SentPicture(data=photo("JPEG", orientation=6), field="images.0")
    for message in ({"pictures": (on_its_side,)}, {}):
        await chats.say(chat, **message)
    shown = [
        part.data
        for request in chats.lab.model.requests
        for part in request.turns[0].parts
        if isinstance(part, PicturePart)
    ]
    first = (await chats.read(chat)).exchanges[0]

    assert shown == [await chats.lab.tools.upright(on_its_side.data)] * 2
    assert decode_parts(await read_blob(chats.lab.blobs, first.parts_key)).user[0].data == on_its_side.data
