"""What each fault is expected to lead to, moment by moment. Only what was seen in a run may stand here."""

from collections.abc import Iterable, Iterator
from dataclasses import replace

from tests.faults.outcome import (
    BOTH_FILES,
    CALIFORNIA,
    CHORES,
    LEASE,
    REINDEX,
    REPORTED,
    SIDECAR,
    Outcome,
    Row,
)

UNAVAILABLE = "503 service_unavailable"

KEPT = Outcome(answer="200", files=BOTH_FILES, listed=1, charged=1, listed_at_last=1, charged_at_last=1)
"""All is well: one picture, one point."""

REFUSED = Outcome(answer=UNAVAILABLE, retry_after="5", asked=0, ready=503)
"""In time, before anything was paid."""

LOST = Outcome(answer=UNAVAILABLE, retry_after="5", ready=503)
"""Google was paid, the picture could not be stored, and the points were given back."""

NOT_LISTED = replace(LOST, files=BOTH_FILES, charged=1, healed_by=(LEASE, CHORES), listed_at_last=1)
"""The picture is stored and the index was away: it is listed as soon as the index is back, and not charged."""

CARRIED_OUT_LATE = replace(NOT_LISTED, healed_by=(CHORES,), listed=1, charged_at_last=1)
"""A Redis that hung carries out the commit that nobody waits for any more: the picture is listed and charged."""

KILLED = Outcome(answer="none", charged=1, healed_by=(LEASE,))
"""Nothing was stored, and the points come back when their lease runs out."""

INSIST = 25.0
"""Seconds for six tries to keep what has been paid for, when a store says no at once."""

INSIST_IN_SILENCE = 55.0
"""The same when a store says nothing: up to 5 seconds more for each."""

GOOGLES = "its answer"
"""The moment of rows that share a lab."""


def rows() -> Iterator[Row]:
    yield from _redis()
    yield from _s3()
    yield from _keys()
    yield from _disk()
    yield from _batches()
    yield from _kills()
    yield from _clocks()
    yield from _google()


def _redis() -> Iterator[Row]:
    for fault in ("Redis refuses", "Redis hangs", "Redis is full", "Redis is read-only"):
        silent = fault == "Redis hangs"
        reads = fault in ("Redis is full", "Redis is read-only")
        found = replace(KEPT, ready=503) if reads else replace(KEPT, answer=UNAVAILABLE, retry_after="5", ready=503)
        yield Row(fault=fault, moment="before", expected=REFUSED, in_short=fault == "Redis is full")
        yield Row(
            fault=fault,
            moment="while the model works",
            expected=NOT_LISTED,
            or_else=CARRIED_OUT_LATE if silent else None,
            within=INSIST_IN_SILENCE if silent else INSIST,
        )
        yield Row(
            fault=fault,
            moment="while the model works, for a moment",
            expected=replace(KEPT, ready=None),
            within=INSIST_IN_SILENCE,
            in_short=fault == "Redis is read-only",
        )
        yield Row(fault=fault, moment="when the picture is asked for", expected=found)
        yield Row(
            fault=fault,
            moment="while a picture is uploaded",
            expected=replace(NOT_LISTED, asked=0, charged=0, healed_by=(CHORES,)),
            or_else=replace(CARRIED_OUT_LATE, asked=0, charged=0, charged_at_last=0) if silent else None,
        )
    yield Row(
        fault="Redis loses all data",
        moment="while the model works",
        expected=replace(KEPT, charged=0, charged_at_last=0),
    )
    yield Row(
        fault="Redis loses all data",
        moment="when the picture is asked for",
        expected=replace(
            KEPT, answer="404 image_not_found", listed=0, charged=0, healed_by=(REINDEX,), charged_at_last=0
        ),
        in_short=True,
    )


def _s3() -> Iterator[Row]:
    unstored = replace(LOST, healed_by=(CHORES,))
    for fault in ("S3 refuses", "S3 hangs", "S3 answers 500"):
        fails = fault == "S3 answers 500"
        yield Row(fault=fault, moment="before", expected=REFUSED)
        yield Row(fault=fault, moment="while the model works", expected=unstored, within=INSIST_IN_SILENCE)
        yield Row(
            fault=fault,
            moment="while the model works, for a moment",
            expected=replace(KEPT, ready=None),
            within=INSIST_IN_SILENCE,
            in_short=fails,
        )
        yield Row(
            fault=fault,
            moment="between sidecar and picture",
            expected=replace(unstored, files=(SIDECAR,)),
            within=INSIST_IN_SILENCE,
        )
        yield Row(fault=fault, moment="while a picture is uploaded", expected=replace(unstored, asked=0))
        yield Row(
            fault=fault,
            moment="when the picture is asked for",
            expected=replace(KEPT, answer=UNAVAILABLE, retry_after="5", ready=503),
        )
    for moment in (
        "before",
        "while the model works",
        "between sidecar and picture",
        "when the picture is asked for",
    ):
        yield Row(fault="S3 is slow", moment=moment, expected=KEPT, within=10)


def _keys() -> Iterator[Row]:
    """A key that could not be freed is free once its lease is over, a minute later; until then a repeat is refused."""
    moment = "while the model works, then repeated with its key"
    yield Row(fault="Redis refuses", moment=moment, expected=replace(NOT_LISTED, again=409), within=INSIST)
    yield Row(
        fault="S3 answers 500",
        moment=moment,
        expected=replace(LOST, asked=2, listed=1, charged=1, healed_by=(CHORES,), listed_at_last=1, charged_at_last=1),
        within=INSIST_IN_SILENCE,
    )


def _disk() -> Iterator[Row]:
    during = "while the model works"
    for fault, stores, kept in (
        ("no room for the index", "sqlite+s3", NOT_LISTED),
        ("no room for pictures", "redis+files", replace(LOST, healed_by=(CHORES,))),
        ("no room for either", "embedded", replace(LOST, charged=1, healed_by=(LEASE, CHORES))),
    ):
        yield Row(fault=fault, moment="before", stores=stores, expected=REFUSED, in_short=stores == "embedded")
        yield Row(fault=fault, moment=during, stores=stores, expected=kept, within=INSIST)
        yield Row(
            fault=fault,
            moment=f"{during}, for a moment",
            stores=stores,
            expected=replace(KEPT, ready=None),
            within=INSIST,
            in_short=stores == "redis+files",
        )


def _batches() -> Iterator[Row]:
    """The end of the item stands where the client's answer does."""
    while_made, failed = "while a batch is made", "failed service_unavailable"
    for fault in ("Redis refuses", "Redis hangs", "Redis is full", "Redis is read-only"):
        gift = Outcome(answer=failed, files=BOTH_FILES, ready=None, healed_by=(CHORES,), listed_at_last=1)
        late = replace(KEPT, answer="completed", ready=None, healed_by=(CHORES,))
        yield Row(
            fault=fault,
            moment=while_made,
            expected=gift,
            or_else=late if fault == "Redis hangs" else None,
            within=120,
        )
    for fault in ("S3 refuses", "S3 hangs", "S3 answers 500"):
        lost = Outcome(answer=failed, ready=None, healed_by=(CHORES,))
        yield Row(fault=fault, moment=while_made, expected=lost, within=120)
    yield Row(
        fault="no room for either",
        moment=while_made,
        stores="embedded",
        expected=Outcome(answer=failed, ready=None, healed_by=(CHORES,)),
        within=120,
    )
    for fault, stores in (
        *((fault, "redis+s3") for fault in ("Redis refuses", "Redis hangs", "Redis is full", "Redis is read-only")),
        *((fault, "redis+s3") for fault in ("S3 refuses", "S3 hangs", "S3 answers 500")),
        ("no room for either", "embedded"),
    ):
        completed = replace(KEPT, answer="completed", ready=None)
        yield Row(fault=fault, moment=f"{while_made}, for a moment", stores=stores, expected=completed, within=60)


def _kills() -> Iterator[Row]:
    after_the_picture = replace(KILLED, files=BOTH_FILES, healed_by=(LEASE, REINDEX), listed_at_last=1)
    lab = "the process is killed"
    yield Row(fault=lab, moment="before the call", expected=replace(KILLED, asked=0))
    yield Row(fault=lab, moment="during the call", expected=KILLED)
    yield Row(fault=lab, moment="during the call", stores="embedded", expected=KILLED)
    yield Row(
        fault=lab,
        moment="after the sidecar",
        expected=replace(KILLED, files=(SIDECAR,), healed_by=(LEASE, REPORTED)),
        in_short=True,
    )
    yield Row(fault=lab, moment="after the picture", expected=after_the_picture)
    yield Row(fault=lab, moment="while the commit waits", stores="embedded", expected=after_the_picture)
    yield Row(fault=lab, moment="after the commit", expected=replace(KEPT, answer="none"), in_short=True)
    yield Row(fault=lab, moment="during the call, another serves on", expected=KILLED, in_short=True)


def _clocks() -> Iterator[Row]:
    uncharged = replace(KEPT, charged=0, charged_at_last=0)
    clock = "the clock is set"
    yield Row(fault=clock, moment="an hour forward during the call", expected=uncharged, within=15, in_short=True)
    yield Row(fault=clock, moment="an hour back during the call", expected=KEPT)
    yield Row(fault=clock, moment="forward over midnight UTC during the call", expected=KEPT)
    yield Row(fault=clock, moment="back over midnight UTC during the call", expected=KEPT)
    yield Row(fault=clock, moment="an hour ahead in a second process", expected=uncharged, within=20)


def _google() -> Iterator[Row]:
    for fault, expected in GOOGLE.items():
        yield Row(
            fault=f"Google: {fault}",
            moment=GOOGLES,
            stores="embedded",
            prompt=f"a storm [[{fault}]]",
            expected=expected,
            within=15,
            in_short=fault != "big",
        )
    yield Row(
        fault="Google: hold for ever",
        moment=GOOGLES,
        stores="embedded",
        prompt="never [[hold for ever]]",
        resolution="4K",
        expected=Outcome(answer="504 upstream_timeout"),
    )


def _answers(answer: str, markers: Iterable[str], **changed: object) -> dict[str, Outcome]:
    plain = Outcome(answer=answer) if answer != "200" else KEPT
    return {marker: replace(plain, **changed) for marker in markers}


GOOGLE = {
    **_answers("401 invalid_api_key", ("bad-key", "leaked-key", "suspended-key")),
    **_answers("502 upstream_error", ("400", "location", "input-image", "missing-signature")),
    **_answers("429 upstream_rate_limited", ("429",), retry_after="14"),
    **_answers("429 upstream_rate_limited", ("429-bare", "429-spend", "429-free")),
    **_answers("429 upstream_rate_limited", ("429-daily",), retry_after=CALIFORNIA),
    **_answers("502 upstream_error", ("500", "503", "504", "html-502", "disconnect"), asked=4),
    **_answers("200", ("html-502 x1", "disconnect x1"), asked=2),
    **_answers("200", ("500 x2",), asked=3),
    **_answers("200", ("503 x3",), asked=4),
    **_answers("502 upstream_error", ("html-403", "redirect", "cut", "empty", "garbage", "unreadable")),
    **_answers("400 content_blocked", ("prompt-blocked", "blocked", "prohibited", "recitation")),
    **_answers(
        "502 no_image",
        ("no-image", "image-other", "refusal", "empty-parts", "data-uri", "max-tokens", "continuation"),
    ),
    **_answers("502 no_image", ("thought-image", "no-image-finish UNHEARD_OF")),
    **_answers(
        "200",
        (
            "slow 0.5",
            "finish IMAGE_SAFETY",
            "unknown-finish",
            "thoughts",
            "three-images",
            "no-text",
            "text-after",
            "png",
            "mislabelled",
            "urlsafe",
            "big",
            "grounding",
            "retiring",
            "odd-footnotes",
            "say words",
        ),
    ),
}
"""By the marker that makes the double answer so (`testing/gemini/scenarios.py`)."""

ROWS = tuple(rows())
