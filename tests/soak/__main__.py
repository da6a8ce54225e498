"""Use one lab in every way for some minutes, with bad luck upstream, then compare what was answered, stored and charged.

make soak MINUTES=30
"""

import argparse
import asyncio
import random
import sys
import tempfile
from pathlib import Path

from tests.soak.run import Report, soak

MAY_GROW = {"memory": (30, "MB"), "descriptors": (10, ""), "temporary": (0, "files")}
"""By how much each may be larger at the end than after warming up, however long that takes."""


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.soak", description=__doc__.partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=5, help="for each way to store")
    parser.add_argument("--visitors", type=int, default=12, help="how many are at it at once")
    parser.add_argument("--seed", type=int, default=random.randrange(10**6), help="what the visitors do")
    asked = parser.parse_args()
    print(f"{asked.visitors} visitors for {asked.minutes:g} minutes each way, seed {asked.seed}")
    passed = True
    for way in ("embedded", "redis+s3"):
        with tempfile.TemporaryDirectory() as folder:
            report = asyncio.run(
                soak(way, Path(folder), seconds=asked.minutes * 60, visitors=asked.visitors, seed=asked.seed)
            )
        print(f"\n{way}\n{_told(report)}")
        passed = passed and report.balanced and not _grown(report)
    print("\nEverything adds up." if passed else "\nSomething does not add up, see above.")
    return 0 if passed else 1


def _told(report: Report) -> str:
    answers = [f"  {count:7} {act}: {outcome}" for (act, outcome), count in sorted(report.book.answers.items())]
    sums = [f"  {count:7} {name}" for name, count in report.sums.items()]
    stray = [f"  NOT NOTHING: {name}: {found!r}"[:500] for name, found in report.stray.items() if found]
    growth = [
        "  {:7.1f} -> {:.1f} {}".format(*report.growth(name), f"{name} {unit}") for name, (_, unit) in MAY_GROW.items()
    ]
    return "\n".join([*answers, *sums, f"  {report.book.spent:7} points", *stray, *growth, *_grown(report)])


def _grown(report: Report) -> list[str]:
    found = []
    for name, (most, _) in MAY_GROW.items():
        before, after = report.growth(name)
        if after > before + most:
            found.append(f"  GROWS: {name}")
    return found


if __name__ == "__main__":
    sys.exit(main())
