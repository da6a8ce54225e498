"""However long a chat gets, its request fits: the oldest pictures leave first, and their words stay."""

from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.core.chatting import Chats, pictures, png, texts

from nano_banana_lab.core.chat.compose_request import MAX_RETOLD_CHARACTERS, Replay, compose
from nano_banana_lab.core.chat.conversation import Exchange
from nano_banana_lab.core.generation.image_request import Part, PicturePart, Role, TextPart
from nano_banana_lab.core.generation.input_pictures import MAX_PICTURES, MAX_TOTAL_BYTES, SentPicture
from nano_banana_lab.testing.scripted_image_model import SCRIPTED_CARD, ScriptedImageModel

NOW = datetime(2026, 11, 23, tzinfo=UTC)
SIZES = {size: bytes(size) for size in (1, 5 << 20, 20 << 20, 40 << 20)}


def exchange(number: int) -> Exchange:
    return Exchange(
        message=f"wish {number}",
        sent_at=NOW,
        answered_at=NOW,
        picture_id=str(number),
        picture_key=str(number),
        text=f"answer {number}",
        thinking=None,
        route="lab",
        parts_key=str(number),
    )


def shown(*sizes: int, signature: bytes | None = None) -> tuple[PicturePart, ...]:
    return tuple(PicturePart(data=SIZES[size], mime_type="image/png", signature=signature) for size in sizes)


def replay(
    number: int, *, user: tuple[int, ...] = (), model: tuple[int, ...] = (1,), signature: bytes = b"s"
) -> Replay:
    answer = (TextPart(text=f"answer {number}"), *shown(*model, signature=signature))
    picture = shown(model[-1])[0]
    return Replay(
        exchange=exchange(number), user=(*shown(*user), TextPart(text=f"wish {number}")), model=answer, picture=picture
    )


def message(*sizes: int) -> tuple[Part, ...]:
    return (*shown(*sizes), TextPart(text="the last wish"))


def weighed(turns: Any) -> tuple[int, int]:
    parts = [part for turn in turns for part in turn.parts if isinstance(part, PicturePart)]
    return len(parts), sum(len(part.data) + len(part.signature or b"") for part in parts)


some_sizes = st.lists(st.sampled_from(sorted(SIZES)), max_size=4).map(tuple)


@st.composite
def conversations(draw: st.DrawFn) -> list[Replay]:
    found = []
    for number in range(draw(st.integers(0, 12))):
        whole = replay(number, user=draw(some_sizes), model=draw(some_sizes.filter(bool)))
        lost = Replay(exchange=whole.exchange, picture=draw(st.sampled_from([None, whole.picture])))
        found.append(draw(st.sampled_from([whole, whole, whole, lost])))
    return found


messages = st.lists(st.sampled_from([1, 5 << 20]), max_size=14).map(tuple).map(lambda sizes: message(*sizes))


@settings(max_examples=60, deadline=None)
@given(replays=conversations(), said=messages, replaying=st.booleans())
def test_every_request_is_one_that_a_model_takes(
    replays: list[Replay], said: tuple[Part, ...], *, replaying: bool
) -> None:
    turns = compose(replays, said, replaying=replaying)

    count, size = weighed(turns)
    assert [turn.role for turn in turns] == [Role.USER, Role.MODEL] * (len(turns) // 2) + [Role.USER]
    assert turns[-1].parts[-len(said) :] == said
    assert count <= MAX_PICTURES
    assert size <= MAX_TOTAL_BYTES
    assert all(turn.parts for turn in turns)


@settings(max_examples=60, deadline=None)
@given(replays=conversations(), said=messages, replaying=st.booleans())
def test_nothing_that_was_said_is_left_out_and_its_order_is_kept(
    replays: list[Replay], said: tuple[Part, ...], *, replaying: bool
) -> None:
    words = "\n".join(text for turn in compose(replays, said, replaying=replaying) for text in texts(turn)) + "\n"
    wishes = [f"{each.exchange.message}\n" for each in replays]
    answers = [f"answer {number}\n" for number in range(len(replays))]

    places = [words.index(text) for pair in zip(wishes, answers, strict=True) for text in pair]
    assert places == sorted(places)
    assert words.endswith("\nthe last wish\n") or words == "the last wish\n"


@settings(max_examples=60, deadline=None)
@given(replays=conversations(), said=messages)
def test_what_is_replayed_is_the_newest_part_as_it_was_and_all_of_it_that_fits(
    replays: list[Replay], said: tuple[Part, ...]
) -> None:
    turns = compose(replays, said)
    whole = len(turns) // 2
    begin = len(replays) - whole

    assert [turn.parts for turn in turns[1::2]] == [each.model for each in replays[begin:]]
    assert all(
        turn.parts[-len(each.user or ()) :] == each.user
        for turn, each in zip(turns[::2], replays[begin:], strict=False)
    )
    if begin and (before := replays[begin - 1]).model:
        count, size = weighed(turns)
        more = [part for part in (*(before.user or ()), *before.model) if isinstance(part, PicturePart)]
        more_bytes = sum(len(part.data) + len(part.signature or b"") for part in more)
        # A picture that goes along on its own makes room for nothing.
        assert count + len(more) > MAX_PICTURES or size + more_bytes > MAX_TOTAL_BYTES


@settings(max_examples=60, deadline=None)
@given(replays=conversations(), said=messages)
def test_the_newest_picture_that_is_left_is_always_there_when_there_is_room(
    replays: list[Replay], said: tuple[Part, ...]
) -> None:
    left = [each.picture for each in replays if each.picture]
    count, size = weighed([type("Turn", (), {"parts": said})])
    turns = compose(replays, said)

    if left and count < MAX_PICTURES and size + len(left[-1].data) <= MAX_TOTAL_BYTES and replays[-1].picture:
        assert weighed(turns)[0] > count
        assert left[-1].data in pictures(turns[0] if len(turns) == 1 else turns[-2])


@pytest.mark.parametrize(("own", "replayed"), [(0, 14), (1, 13), (10, 4), (13, 1), (14, 0)])
def test_pictures_of_the_new_message_take_the_place_of_the_oldest(own: int, replayed: int) -> None:
    turns = compose([replay(number) for number in range(20)], message(*[1] * own))

    assert len(turns) // 2 == replayed
    assert weighed(turns)[0] == 14
    assert len(texts(turns[0])[0].splitlines()) == 1 + 2 * (20 - replayed)


def test_signatures_weigh_too() -> None:
    heavy = [replay(number, signature=SIZES[20 << 20]) for number in range(5)]

    assert len(compose(heavy, message())) // 2 == 3


def test_of_very_many_words_the_newest_are_told() -> None:
    lost = [Replay(exchange=exchange(number)) for number in range(2000)]
    [turn] = compose(lost, message())
    told = texts(turn)[0]

    assert MAX_RETOLD_CHARACTERS <= len(told) <= MAX_RETOLD_CHARACTERS + 100
    assert told.endswith("I asked: wish 1999\nYou answered with a picture. answer 1999")


async def test_a_long_chat_reads_no_more_pictures_than_it_can_send(
    open_lab: Any, lab: Any, unreliable: Any, mishap: Any
) -> None:
    chats = Chats(lab=lab)
    chat = await chats.begin()
    for number in range(20):
        await chats.say(chat, f"wish {number}")
    counted = mishap(AssertionError(), "open", at=10**6)
    again = open_lab(clock=lab.clock, key_values=lab.key_values, blobs=unreliable(lab.blobs, counted), model=lab.model)
    await Chats(lab=again).say(chat, "the last wish")

    turns = lab.model.requests[-1].turns
    assert weighed(turns)[0] == 14
    assert texts(turns[0])[0].count("I asked: ") == 6
    assert counted.seen == 14 * 2


async def test_a_picture_of_the_users_counts_as_often_as_it_is_seen(lab: Any) -> None:
    chats = Chats(lab=lab)
    chat = await chats.begin()
    for number in range(3):
        given = tuple(SentPicture(data=png(f"{number}/{each}"), field="images") for each in range(5))
        await chats.say(chat, f"wish {number}", pictures=given)

    turns = lab.model.requests[-1].turns
    assert [len(pictures(turn)) for turn in turns] == [5, 1, 5]
    assert texts(turns[0])[0].count("I asked: ") == 1


async def test_a_model_that_takes_fewer_pictures_is_never_shown_more(open_lab: Any) -> None:
    card = msgspec.structs.replace(SCRIPTED_CARD, max_input_images=3)
    chats = Chats(lab=open_lab(model=ScriptedImageModel(card=card)))
    chat = await chats.begin()
    for wish in "abcdef":
        await chats.say(chat, wish, pictures=(SentPicture(data=png(wish), field="images.0"),))

    assert max(weighed(request.turns)[0] for request in chats.lab.model.requests) == 3
    assert texts(chats.lab.model.requests[-1].turns[0])[0].startswith("Earlier in this conversation")
