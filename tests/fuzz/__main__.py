"""Ask everything that the document of the API allows, and much that it does not, of a running lab.

make fuzz                  # as the owner of a lab and as a guest, more than 10,000 requests
make fuzz EXAMPLES=500     # more for each operation
"""

import argparse
import sys
import tempfile
from pathlib import Path

from tests.fuzz.run import WAYS, fuzz


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__.partition("\n")[0])
    parser.add_argument("--examples", type=int, default=100, help="generated requests for each operation")
    parser.add_argument("--seed", type=int, help="the one a former run has printed, to repeat it")
    asked = parser.parse_args()
    cases, bad = 0, 0
    for way in WAYS:
        with tempfile.TemporaryDirectory() as folder:
            outcome = fuzz(way, Path(folder), examples=asked.examples, seed=asked.seed)
        print(outcome.text)
        cases, bad = cases + outcome.cases, bad + (not outcome.passed)
    print(f"{cases} requests in {len(WAYS)} set-ups; {bad} of them with failures")
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
