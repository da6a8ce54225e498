"""`Last-Event-ID`: what was told as the id of an event is understood, and anything else is refused."""

from hypothesis import example, given
from hypothesis import strategies as st

from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.http.task_story import THE_END, Place

PLACES = st.builds(Place, st.integers(0, 2**63 - 1), st.integers(0, 2**63 - 1), st.integers(0, THE_END))


@given(place=PLACES)
def test_the_id_of_an_event_is_its_place(place: Place) -> None:
    assert Place.read(str(place)) == place


@given(text=st.text(max_size=60) | st.text("0123456789-.", max_size=60))
@example(text="9" * 5000)
@example(text="٣-0.0")
@example(text="1-1.²")
@example(text="-1-0.0")
@example(text="1-1.1\n")
def test_any_other_text_is_refused(text: str) -> None:
    if not text:
        assert Place.read(text) < Place(milliseconds=0)
        return
    try:
        place = Place.read(text)
    except ValidationFailed:
        return

    assert text.isascii()
    assert list(map(int, text.replace(".", "-").split("-"))) == [place.milliseconds, place.number, place.part]
