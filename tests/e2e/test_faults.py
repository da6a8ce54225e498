"""The quick rows of the table of faults; `make faults` runs all of them and measures how long clients wait."""

from collections.abc import Awaitable, Callable, Iterator

import pytest
from tests.faults.bench import Equipment
from tests.faults.outcome import Row, Seen
from tests.faults.proxies import proxy_loop
from tests.faults.seeing import seeing
from tests.faults.table import ROWS

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.gemini.scenarios import MEANINGS
from nano_banana_lab.testing.s3_server import S3Server

OF_PROMPT_WRITING = {
    "too-few",
    "too-many",
    "repeated",
    "blank",
    "too-long",
    "echo",
    "other-language",
    "wrong-schema",
    "prose",
}


@pytest.fixture(scope="module")
def see(
    tmp_path_factory: pytest.TempPathFactory, gemini: GeminiDouble, s3_server: S3Server
) -> Iterator[Callable[[Row], Awaitable[Seen]]]:
    with (
        proxy_loop() as proxies,
        seeing(Equipment(tmp_path_factory.mktemp("faults"), gemini, s3_server, proxies)) as see,
    ):
        yield see


@pytest.mark.parametrize("row", [row for row in ROWS if row.in_short], ids=lambda row: row.name)
async def test_a_fault_leads_to_what_the_table_says(row: Row, see: Callable[[Row], Awaitable[Seen]]) -> None:
    seen = await see(row)

    assert row.expected == seen.outcome


def test_every_answer_about_pictures_that_the_double_can_give_is_in_the_table() -> None:
    markers = {row.prompt.partition("[[")[2].partition("]]")[0].split()[0] for row in ROWS if row.prompt}

    assert MEANINGS.keys() - OF_PROMPT_WRITING - {"weight"} == markers  # which only makes a picture heavier


def test_every_row_has_a_name_of_its_own() -> None:
    assert len({row.name for row in ROWS}) == len(ROWS)
