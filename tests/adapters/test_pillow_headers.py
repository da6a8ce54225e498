"""Headers are read on the event loop: the work must stay small, whatever the file."""

import sys

import pytest
from tests.adapters.test_pillow_picture_tools import SOUND

from nano_banana_lab.adapters.pillow.headers import read_facts
from nano_banana_lab.adapters.pillow.picture_tools import PillowPictureTools
from nano_banana_lab.core.history.ports import InvalidImage

REST = SOUND["jpeg"][2:]
EMPTY_SEGMENT = b"\xff\xfe\0\2"
MILLIONS = 10_000_000
HOSTILE = {
    "a little fill, often": (EMPTY_SEGMENT + b"\xff" * 1022) * 4090 + REST,
    "stray bytes, often": (EMPTY_SEGMENT + bytes(1022)) * 4090 + REST,
    "a lot of fill": EMPTY_SEGMENT + b"\xff" * MILLIONS + REST,
    "markers that are none": EMPTY_SEGMENT + b"\xff\0" * MILLIONS + REST,
    "segments without end": EMPTY_SEGMENT * MILLIONS + REST,
    "segments, each with a little fill": (EMPTY_SEGMENT + b"\xff" * 3) * MILLIONS + REST,
    "markers without length": b"\xff\1" * MILLIONS + REST,
}
OTHERS = {
    "a page that may be a drawing": b"<!--" + b"<sv" * MILLIONS,
    "nothing but spaces": b" " * MILLIONS,
    "a png of nothing but chunks": SOUND["png"][:33] + bytes(MILLIONS),
    "a webp of nothing but chunks": SOUND["webp"][:12] + bytes(MILLIONS),
}


def lines_run(data: bytes) -> tuple[int, str]:
    """How many lines of Python it takes to refuse the file, and the reason."""
    count = 0

    def trace(frame, event, argument):
        nonlocal count
        count += event == "line"
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        read_facts(data)
    except InvalidImage as refused:
        return count, refused.details["reason"]
    finally:
        sys.settrace(before)
    return count, "none"


@pytest.mark.parametrize("name", HOSTILE)
def test_a_hostile_jpeg_is_given_up_within_a_bounded_number_of_steps(name):
    lines, reason = lines_run(b"\xff\xd8" + HOSTILE[name])

    assert reason == "truncated"
    assert lines < 15_000


@pytest.mark.parametrize("name", OTHERS)
def test_any_other_hostile_file_is_decided_at_once(name):
    lines, _ = lines_run(OTHERS[name])

    assert lines < 100


@pytest.mark.parametrize("stray", [b"\xff", b"\0", b"\xff\0"])
async def test_a_few_fill_or_stray_bytes_before_markers_do_no_harm(stray):
    padded = b"\xff\xd8" + EMPTY_SEGMENT + stray * 3000 + EMPTY_SEGMENT + stray * 3000 + REST

    assert (await PillowPictureTools().verify(padded)).width == 40


@pytest.mark.parametrize("count", [1, 2, 16])
async def test_stray_bytes_are_counted_for_all_markers_together(count):
    def padded(stray: int) -> bytes:
        return b"\xff\xd8" + (EMPTY_SEGMENT + bytes(stray // count)) * count + REST

    assert read_facts(padded(16_384)).width == 40
    for act in (PillowPictureTools().inspect, PillowPictureTools().verify):
        with pytest.raises(InvalidImage) as refused:
            await act(padded(16_384 + count))
        assert refused.value.details == {"reason": "truncated"}
