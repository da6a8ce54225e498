"""Run the rows of the table, and say where what is seen differs from what is expected.

python -m tests.faults [--short] [--jobs N] [--markdown] [WORD ...]

With words, only rows whose name has one of them. Ends with 1 when a row differs.
"""

import argparse
import asyncio
import sys
import tempfile
import traceback
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

from tests.faults.bench import Equipment
from tests.faults.outcome import Row, Seen
from tests.faults.proxies import proxy_loop
from tests.faults.report import markdown
from tests.faults.seeing import seeing
from tests.faults.table import GOOGLES, ROWS

from nano_banana_lab.testing.gemini import running_gemini
from nano_banana_lab.testing.s3_server import running_s3


def main() -> int:
    options = _options()
    wanted = [
        row
        for row in ROWS
        if (not options.words or any(word in row.name for word in options.words))
        and (row.in_short or not options.short)
    ]
    with _equipment() as equipment, ThreadPoolExecutor(options.jobs) as threads:
        alone = [[row] for row in wanted if row.moment != GOOGLES]
        together = [row for row in wanted if row.moment == GOOGLES]
        chains = [*([together] if together else []), *alone]
        seen = dict(pair for chain in threads.map(lambda rows: list(_run(equipment, rows)), chains) for pair in chain)
    differing = [row for row in wanted if row not in seen or differences(row, seen[row])]
    if options.markdown:
        print(markdown([(row, seen[row]) for row in wanted if row in seen]), end="")
    _say(f"{len(wanted) - len(differing)} of {len(wanted)} rows are as expected")
    return 1 if differing else 0


def differences(row: Row, seen: Seen) -> list[str]:
    """Each value that is not the expected one, in words."""
    expected, found = asdict(row.expected), asdict(seen.outcome)
    wrong = [
        f"{name}: {found[name]!r} instead of {value!r}" for name, value in expected.items() if found[name] != value
    ]
    late = [f"{seen.seconds:.1f} s instead of at most {row.within:g}"] if seen.seconds > row.within else []
    return late if row.allows(seen.outcome) else wrong + late


def _run(equipment: Equipment, rows: Sequence[Row]) -> Iterator[tuple[Row, Seen]]:
    with seeing(equipment) as see:
        for row in rows:
            try:
                seen = asyncio.run(see(row))
            except Exception as error:  # noqa: BLE001 - one row that cannot be run must not keep the others from it
                traceback.print_exception(error)
                _say(f"BROKE OFF  {row.name}")
            else:
                wrong = differences(row, seen)
                _say(f"{'DIFFERS' if wrong else 'ok'}  {row.name}  {seen.seconds:.1f} s", *wrong)
                yield row, seen


def _say(*lines: str) -> None:
    print(*lines, sep="\n    ", file=sys.stderr, flush=True)


@contextmanager
def _equipment() -> Iterator[Equipment]:
    with tempfile.TemporaryDirectory() as folder, running_gemini() as gemini, running_s3() as s3, proxy_loop() as loop:
        yield Equipment(Path(folder), gemini, s3, loop)


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("words", nargs="*", metavar="WORD")
    parser.add_argument("--short", action="store_true", help="only the rows that every test run has")
    parser.add_argument("--jobs", type=int, default=6, help="rows at the same time (%(default)s); most of them wait")
    parser.add_argument(
        "--markdown", action="store_true", help="print what was seen as a table; all else goes to standard error"
    )
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
