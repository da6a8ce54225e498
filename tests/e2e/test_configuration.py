"""What the service says of its configuration before it starts, and how it talks in production."""

import json
from pathlib import Path

import httpx
import pytest

from nano_banana_lab.testing.lab_process import run_lab_command, running_lab, running_worker
from nano_banana_lab.testing.redis_server import RedisServer

PRODUCTION = {"ENVIRONMENT": "production", "SECRET_KEY": "k" * 31 + "!", "IMAGE_MODEL": "sketch"}


def test_every_wrong_setting_is_named_at_once(tmp_path: Path) -> None:
    wrong = {
        "PORT": "eighty",
        "LOG_LEVEL": "LOUD",
        "IMAGE_MODEL": "dalle",
        "RETRY_DELAYS": "soon",
        "GENERATION_TIMEOUT_SECONDS": "1,2",
        "R2_ENABLED": "true",
    }
    outcome = run_lab_command("serve", folder=tmp_path, **wrong)

    assert outcome.returncode == 2
    for name in {*wrong, "R2_ACCESS_KEY_ID", "R2_SECRET_ACCESS_KEY", "R2_ACCOUNT_ID"} - {"R2_ENABLED"}:
        assert f"\n  - {name}: " in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not any(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("settings", "name"),
    [
        ({"SECRET_KEY": ""}, "SECRET_KEY"),
        ({"SECRET_KEY": "short-and-private"}, "SECRET_KEY"),
        ({"SECRET_KEY": "change-me-in-production-use-a-long-random-string"}, "SECRET_KEY"),
        ({"IMAGE_MODEL": "auto"}, "GOOGLE_API_KEY"),
        ({"CORS_ORIGINS": "*"}, "CORS_ORIGINS"),
    ],
    ids=["no secret", "short secret", "well-known secret", "placeholders by accident", "open to every page"],
)
def test_production_refuses_what_is_only_fine_on_a_laptop(tmp_path: Path, settings: dict[str, str], name: str) -> None:
    outcome = run_lab_command("serve", folder=tmp_path, **PRODUCTION | settings)
    complaints = [line for line in outcome.stderr.splitlines() if line.startswith("  - ")]

    assert outcome.returncode == 2
    assert [name] == [line.removeprefix("  - ").partition(":")[0] for line in complaints]
    assert not settings.get(name) or settings[name] == "*" or settings[name] not in outcome.stderr


def test_in_production_every_line_of_the_log_is_json(tmp_path: Path) -> None:
    with running_lab(tmp_path, **PRODUCTION) as lab:
        made = httpx.post(
            f"{lab.url}/api/generate", json={"prompt": "a lamp"}, headers={"X-Request-ID": "find-me"}, timeout=60
        )
        refused = httpx.get(f"{lab.url}/nowhere")
        code = lab.stop()
    lines = [json.loads(line) for line in lab.log().splitlines()]

    assert (made.status_code, refused.status_code, code) == (200, 404, 0)
    assert all({"event", "level", "timestamp", "logger"} <= line.keys() for line in lines)
    assert [(line["path"], line["status"]) for line in lines if line.get("request_id") == "find-me"] == [
        ("/api/generate", 200)
    ]


def test_a_worker_without_a_key_says_that_it_draws_placeholders(tmp_path: Path, redis_server: RedisServer) -> None:
    redis_server.flush()
    with running_worker(tmp_path, concurrency=1, REDIS_URL=redis_server.url, SECRET_KEY="k" * 32) as worker:
        said = worker.log()

    assert "Pictures are placeholders drawn by the offline sketch model" in said
