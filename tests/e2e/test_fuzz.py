"""A few hundred requests at random; `make fuzz` asks more than 10,000."""

from pathlib import Path

import pytest
from tests.fuzz.run import WAYS, fuzz


@pytest.mark.parametrize("way", WAYS)
def test_whatever_is_asked_the_answer_is_one_that_the_document_promises(way: str, tmp_path: Path) -> None:
    outcome = fuzz(way, tmp_path, examples=3, phases="examples,fuzzing")

    assert outcome.passed, outcome.text
    assert outcome.cases > 100
