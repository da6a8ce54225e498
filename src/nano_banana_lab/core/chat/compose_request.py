"""What the model is sent for the next message of a chat.

As much of the conversation as can be is replayed as it was, its newest part. What cannot be is told in words:
exchanges whose parts are lost, or that another model or key made, whose signatures therefore do not hold, and the oldest ones
once all pictures together are more than a request takes. Of those the texts stay. When nothing can be replayed, the last
picture goes along as the user's own (GEMINI.md section 3: the fallback that always works).
"""

from collections.abc import Sequence

import msgspec

from nano_banana_lab.core.chat.conversation import Exchange
from nano_banana_lab.core.generation.image_request import Part, PicturePart, Role, TextPart, Turn
from nano_banana_lab.core.generation.input_pictures import MAX_PICTURES, MAX_TOTAL_BYTES

MAX_RETOLD_CHARACTERS = 20_000
RETOLD = "Earlier in this conversation:"


class Replay(msgspec.Struct, frozen=True, kw_only=True):
    """An exchange with its bytes at hand; without parts where it cannot be replayed.

    `picture` is what it made, as nobody's in particular, unless that is gone or was not looked for.
    """

    exchange: Exchange
    user: tuple[Part, ...] | None = None
    model: tuple[Part, ...] | None = None
    picture: PicturePart | None = None


def compose(
    replays: Sequence[Replay], message: tuple[Part, ...], *, most_pictures: int = MAX_PICTURES, replaying: bool = True
) -> tuple[Turn, ...]:
    """The turns for `message`, the parts of the next user turn; all is told in words unless `replaying`.

    Together they have up to `most_pictures`, the message's own among them.
    """
    begin = _replayable_from(replays, message, most_pictures) if replaying else len(replays)
    turns = list[Turn]()
    for replay in replays[begin:]:
        turns.append(Turn(role=Role.USER, parts=replay.user or ()))
        turns.append(Turn(role=Role.MODEL, parts=replay.model or ()))
    turns.append(Turn(role=Role.USER, parts=message))
    room = begin == len(replays) and weight(message)[0] < most_pictures
    retold = _retold(replays[:begin], with_picture=room, beside=message)
    turns[0] = Turn(role=Role.USER, parts=(*retold, *turns[0].parts))
    return tuple(turns)


def weight(parts: Sequence[Part]) -> tuple[int, int]:
    """How many pictures these are, and the bytes of pictures and signatures together."""
    pictures = [len(part.data) for part in parts if isinstance(part, PicturePart)]
    return len(pictures), sum(pictures) + sum(len(part.signature or b"") for part in parts)


def _replayable_from(replays: Sequence[Replay], message: tuple[Part, ...], most_pictures: int) -> int:
    """The index of the first exchange from which on all can be replayed and fit beside the message."""
    pictures, size = weight(message)
    begin = len(replays)
    while begin > 0:
        replay = replays[begin - 1]
        if not replay.user or not replay.model:
            break
        more, larger = weight((*replay.user, *replay.model))
        pictures, size = pictures + more, size + larger
        if pictures > most_pictures or size > MAX_TOTAL_BYTES:
            break
        begin -= 1
    return begin


def _retold(replays: Sequence[Replay], *, with_picture: bool, beside: tuple[Part, ...]) -> tuple[Part, ...]:
    """The exchanges in words, the newest ones when there are too many, and the last picture that is left of them."""
    if not replays:
        return ()
    lines = [line for replay in replays for line in _lines(replay.exchange)]
    text = TextPart(text=f"{RETOLD}\n" + "\n".join(lines)[-MAX_RETOLD_CHARACTERS:])
    last = next((replay.picture for replay in reversed(replays) if replay.picture is not None), None)
    if not with_picture or last is None or not _fits(last, beside):
        return (text,)
    return (text, last)


def _fits(picture: PicturePart, beside: tuple[Part, ...]) -> bool:
    return weight(beside)[1] + len(picture.data) <= MAX_TOTAL_BYTES


def _lines(exchange: Exchange) -> list[str]:
    answer = f"You answered with a picture. {exchange.text or ''}".rstrip()
    return [f"I asked: {exchange.message}", answer]
