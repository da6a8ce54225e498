"""The benchmarks do their sums right, and every row of them runs."""

import importlib

import msgspec
import pytest
from tests.benchmarks.__main__ import ROWS
from tests.benchmarks.bench import Bench
from tests.benchmarks.harness import Line, Target, in_turns, percentile, quartiles
from tests.benchmarks.report import as_json, table, verdict


def a_line(**changes) -> Line:
    line = Line(what="a row", stores="embedded", unit="ms", ours=(30, 10, 20), yardstick=(10, 10, 5))
    return msgspec.structs.replace(line, **changes)


def test_the_ratio_is_the_median_of_the_rounds_ratios():
    assert a_line().ratio == 3  # of 3, 1 and 4


def test_there_is_no_ratio_without_a_yardstick():
    assert a_line(yardstick=()).ratio is None


@pytest.mark.parametrize(
    ("target", "met"),
    [
        (Target(3, "at most"), True),
        (Target(2.9, "at most"), False),
        (Target(3, "at least"), True),
        (Target(3.1, "at least"), False),
        (Target(20, "at most", of="ours"), True),
        (Target(19, "at most", of="ours"), False),
        (None, None),
    ],
)
def test_a_target_is_met_up_to_its_limit(target, met):
    assert a_line(target=target).met is met


def test_quartiles_lie_between_the_values():
    assert quartiles([1, 2, 3, 4]) == (1.75, 2.5, 3.25)
    assert quartiles([7]) == (7, 7, 7)


def test_a_percentile_is_one_of_the_values():
    assert percentile(range(1, 101), 99) == 99
    assert percentile([5], 99) == 5


async def test_both_sides_take_turns_and_the_first_round_does_not_count():
    calls = []

    def ours():
        calls.append("ours")
        return calls.count("ours")

    async def yardstick():
        calls.append("yardstick")
        return 10 * calls.count("yardstick")

    found = await in_turns(ours, yardstick, rounds=2)

    assert found == ([2, 3], [20, 30])
    assert calls == ["ours", "yardstick", "ours", "yardstick", "yardstick", "ours"]


def test_the_table_has_a_row_for_each_line_and_says_what_was_missed():
    lines = [a_line(target=Target(2, "at most")), a_line(what="another", target=Target(5, "at most"))]
    head, missed, met = table(lines).splitlines()

    assert " ".join(head.split()) == "row stores ours yardstick IQR of ours / of the yardstick ratio target"
    assert " ".join(missed.split()) == "a row embedded 20 ms 10 ms 15-25 / 7.5-10 3.00 <= 2x MISSED"
    assert met.endswith("met")
    assert verdict(lines) == "1 of 2 targets MISSED: a row (embedded)."
    assert verdict(lines[1:]) == "All 1 targets are met."


def test_the_table_for_the_page_is_markdown():
    lines = table([a_line()], markdown=True).splitlines()

    assert {line.count("|") for line in lines} == {9}
    assert set(lines[1]) == set("| -")


def test_the_json_has_every_number_and_what_was_made_of_it():
    found = msgspec.json.decode(as_json([a_line(target=Target(2, "at most"))], {"commit": "abc"}))

    assert (found["commit"], found["lines"][0]["ours"]) == ("abc", [30, 10, 20])
    assert (found["lines"][0]["ratio"], found["lines"][0]["met"]) == (3, False)


@pytest.mark.parametrize("row", ROWS)
async def test_a_row_runs(row):
    module = importlib.import_module(f"tests.benchmarks.rows.{row}")
    with Bench(quick=True, rounds=1, kinds=("embedded",)) as bench:
        lines = [line async for line in module.run(bench)]

    assert lines
    assert all(table([line]) for line in lines)
    assert module.__doc__
