"""Some seconds of what `make soak` does for as long as one likes."""

from pathlib import Path

import pytest
from tests.soak.run import soak


@pytest.mark.parametrize("way", ["embedded", "redis+s3"])
async def test_what_was_answered_is_what_is_stored_and_charged(way: str, tmp_path: Path) -> None:
    report = await soak(way, tmp_path, seconds=8, visitors=6, seed=20261125)

    assert {name: found for name, found in report.stray.items() if found} == {}
    assert len(set(report.sums.values())) == 1, report.sums
    assert report.book.spent > 20
