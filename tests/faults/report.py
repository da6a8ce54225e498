"""What was seen, as a table of Markdown."""

from collections.abc import Sequence

from tests.faults.outcome import Row, Seen

HEAD = (
    "fault",
    "moment",
    "stores",
    "client sees",
    "retry after, s",
    "waits, s",
    "Google asked",
    "stored then",
    "ready meanwhile",
    "listed, charged once mended",
    "then healed by",
    "listed, charged at last",
    "next one",
)


def markdown(seen: Sequence[tuple[Row, Seen]]) -> str:
    """A line for each row, in their order."""
    lines = [HEAD, ("---",) * len(HEAD), *(_cells(row, each) for row, each in seen)]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def _cells(row: Row, seen: Seen) -> tuple[str, ...]:
    outcome, seconds = seen
    return (
        row.fault,
        row.moment,
        row.stores,
        outcome.answer,
        outcome.retry_after or "",
        f"{seconds:.1f}",
        str(outcome.asked),
        ", ".join(outcome.files) or "nothing",
        "" if outcome.ready is None else str(outcome.ready),
        f"{outcome.listed}, {outcome.charged}",
        ", ".join(outcome.healed_by),
        f"{outcome.listed_at_last}, {outcome.charged_at_last}",
        str(outcome.again),
    )
