"""One run of Schemathesis against a lab of its own, whose Google is the double."""

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.e2e.store_setups import ServiceStores

from nano_banana_lab.testing.gemini import running_gemini
from nano_banana_lab.testing.lab_process import LabProcess, running_lab
from nano_banana_lab.testing.redis_server import running_redis
from nano_banana_lab.testing.s3_server import running_s3

CONFIGURATION = Path(__file__).with_name("schemathesis.toml")
SCHEMATHESIS = Path(sys.executable).with_name("st")

EVERY_PHASE = "examples,coverage,fuzzing,stateful"

GUESTS = {
    "AUTH_ENABLED": "true",
    "SECRET_KEY": "a key that is long enough for tokens which nobody guesses",
    "TRIAL_ENABLED": "true",
    "TRIAL_QUOTA_MODE": "auto",
    "TRIAL_GLOBAL_QUOTA": "1000000",
    "TRIAL_PROMPT_LIMIT": "1000000",
    "TRIAL_PROMPT_GLOBAL_LIMIT": "1000000",
    "TRIAL_COOLDOWN_SECONDS": "0",
}

WAYS: dict[str, dict[str, str]] = {"owner": {}, "guest": GUESTS}
"""Who asks, and how the lab is set up for that: the only owner of one on files, or a guest of one on Redis and S3."""


@dataclass(frozen=True)
class Outcome:
    """`cases` is the number of requests; `text` is what Schemathesis printed and, if that is not all, what the log says."""

    passed: bool
    cases: int
    text: str


def fuzz(way: str, folder: Path, *, examples: int, phases: str = EVERY_PHASE, seed: int | None = None) -> Outcome:
    """Ask with `examples` generated requests for each operation, all of Schemathesis's checks on."""
    with _lab(way, folder) as lab:
        ran = subprocess.run(
            [
                *(SCHEMATHESIS, "--config-file", CONFIGURATION, "run", f"{lab.url}/openapi.json"),
                *("--checks", "all", "--phases", phases, "--max-examples", str(examples)),
                *("--report", "json", "--report-json-path", folder / "report.json", "--no-color"),
                *(() if seed is None else ("--seed", str(seed))),
            ],
            cwd=CONFIGURATION.parent,
            env={**os.environ, "FUZZ_AS": way},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        lab.stop()
        bugs = [line for line in lab.log().splitlines() if "internal_error" in line or "Traceback" in line]
    report = json.loads((folder / "report.json").read_text("utf-8"))
    return Outcome(
        passed=ran.returncode == 0 and not bugs,
        cases=report["test_cases"]["generated"],
        text="\n".join([f"As {way}:", ran.stdout, *bugs]),
    )


@contextmanager
def _lab(way: str, folder: Path) -> Iterator[LabProcess]:
    with ExitStack() as stack:
        settings = {"RATE_LIMIT_ENABLED": "false", "GOOGLE_API_KEY": "the-key-of-the-operator", **WAYS[way]}
        settings["GOOGLE_GEMINI_BASE_URL"] = stack.enter_context(running_gemini()).url
        if way == "guest":
            redis, s3 = stack.enter_context(running_redis()), stack.enter_context(running_s3())
            settings |= ServiceStores(redis, s3, "fuzz").settings
        yield stack.enter_context(running_lab(folder / "lab", **settings))
