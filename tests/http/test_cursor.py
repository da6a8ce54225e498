"""Cursors: what was issued leads on, and nothing else does."""

from contextlib import suppress

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.core.storage.ports import Entry
from nano_banana_lab.http.cursor import Cursors

OURS, THEIRS = Cursors(Secret("our secret")), Cursors(Secret("another secret"))
ENTRIES = st.builds(Entry, st.integers(-(2**53), 2**53), st.text(max_size=40))
ORDERS = st.sampled_from(["newest", "oldest", ""])


@given(entry=ENTRIES, sort=ORDERS)
def test_what_was_issued_is_read(entry: Entry, sort: str) -> None:
    assert OURS.read(OURS.issue(entry, sort=sort), sort=sort) == entry


@given(text=st.text(max_size=80) | st.text("ABab01-_=", max_size=80), sort=ORDERS)
@example(text="=", sort="newest")
@example(text="\ud800", sort="newest")
@example(text="A" * 12, sort="newest")
def test_no_text_whatsoever_is_taken_for_a_cursor(text: str, sort: str) -> None:
    with pytest.raises(ValidationFailed):
        OURS.read(text, sort=sort)


@given(entry=ENTRIES, sort=ORDERS, other=ORDERS)
def test_one_of_another_order_or_another_lab_leads_nowhere(entry: Entry, sort: str, other: str) -> None:
    with pytest.raises(ValidationFailed):
        OURS.read(THEIRS.issue(entry, sort=sort), sort=sort)
    if sort != other:
        with pytest.raises(ValidationFailed):
            OURS.read(OURS.issue(entry, sort=sort), sort=other)


@given(entry=ENTRIES, at=st.integers(0, 200), put=st.characters(), cut=st.booleans())
def test_a_changed_one_leads_nowhere_else(entry: Entry, at: int, put: str, *, cut: bool) -> None:
    """Some texts mean the same bytes in base64."""
    issued = OURS.issue(entry, sort="newest")
    at %= len(issued)
    changed = issued[:at] if cut else issued[:at] + put + issued[at + 1 :]

    with suppress(ValidationFailed):
        assert OURS.read(changed, sort="newest") == entry
