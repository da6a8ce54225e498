"""Keys go to Google and nowhere else, whatever happens to the call, also while debugging."""

import base64
import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import httpx
import pytest
from tests.e2e.store_setups import Stores

from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import running_lab
from nano_banana_lab.testing.s3_server import S3Server

CALLERS_KEY = "some-secret-of-the-caller-0123456789"
OPERATORS_KEY = "some-secret-of-the-operator-0123456789"
SECRET_KEY = "some-secret-to-sign-with-0123456789-0123456789"
PROMPT = "a lighthouse that everybody may see"
OUTCOMES = {
    "": 200,
    "[[blocked]]": 400,
    "[[429]]": 429,
    "[[500]]": 502,
    "[[garbage]]": 502,
    "[[html-502]]": 502,
    "[[disconnect]]": 502,
    "[[bad-key]]": 401,
    "[[no-image]]": 502,
}


@pytest.fixture(scope="module")
def places(
    folder: Path, fresh_stores: Stores, gemini: GeminiDouble, gemini_settings: dict[str, str]
) -> dict[str, bytes]:
    """Everything that was stored, logged and answered while callers with and without a key had all kinds of luck."""
    gemini.clear()
    settings = fresh_stores.settings | gemini_settings
    secrets = {"GOOGLE_API_KEY": OPERATORS_KEY, "SECRET_KEY": SECRET_KEY, "LOG_LEVEL": "DEBUG"}
    with running_lab(folder, **settings | secrets) as lab, httpx.Client(base_url=lab.url, timeout=60) as client:
        answers = [*_generations(client), *_other_answers(client)]
        tasks = [_batch(client, headers) for headers in ({"X-API-Key": CALLERS_KEY}, {})]
        found = {f"{name} while tasks run": kept for name, kept in fresh_stores.everything().items()}
        gemini.release("it")
        answers += [client.get(f"/api/generate/task/{task}/events") for task in tasks]
        found |= fresh_stores.everything() | {f"answer {number}": _raw(each) for number, each in enumerate(answers)}
        assert lab.stop() == 0
        return found | fresh_stores.everything() | {"the log": lab.log().encode()}


def _generations(client: httpx.Client) -> Iterator[httpx.Response]:
    for marker, status in OUTCOMES.items():
        for headers in ({"X-API-Key": CALLERS_KEY}, {}):
            answer = client.post("/api/generate", json={"prompt": f"{PROMPT} {marker}"}, headers=headers)
            assert status == answer.status_code, answer.text
            yield answer


def _batch(client: httpx.Client, headers: dict[str, str]) -> str:
    """A task that is still running, one of whose items is blocked."""
    prompts = [f"{PROMPT} [[hold it]]", f"{PROMPT} [[blocked]]"]
    answer = client.post("/api/generate/batch", json={"prompts": prompts}, headers=headers)
    task_id: str = answer.raise_for_status().json()["task_id"]
    return task_id


def _other_answers(client: httpx.Client) -> Iterator[httpx.Response]:
    for path in ("/api/history", "/api/health/detailed", "/metrics", "/openapi.json", "/", "/no-such-path"):
        yield client.get(path, headers={"X-API-Key": CALLERS_KEY})
    yield client.post("/api/generate", content=b"{", headers={"X-API-Key": CALLERS_KEY})
    yield client.post("/api/generate", json={"prompt": "x"}, headers={b"X-API-Key": f"{CALLERS_KEY} \xe9".encode()})


@pytest.mark.parametrize("secret", [CALLERS_KEY, OPERATORS_KEY, SECRET_KEY, S3Server.secret_access_key])
def test_a_secret_is_in_no_log_no_answer_and_no_store(places: dict[str, bytes], secret: str) -> None:
    assert _finding(secret, places) == []


def test_each_key_reached_google(places: dict[str, bytes], gemini: GeminiDouble) -> None:
    used = Counter(request.key_sha256 for request in gemini.requests if request.method == "POST")

    assert {_sha256(CALLERS_KEY), _sha256(OPERATORS_KEY)} == used.keys()
    assert used[_sha256(CALLERS_KEY)] == used[_sha256(OPERATORS_KEY)] >= len(OUTCOMES)


def test_the_search_for_secrets_finds_what_is_there(places: dict[str, bytes]) -> None:
    found = _finding(PROMPT, places)

    assert {"answer 0", "answer 1"} <= set(found)
    assert len(found) >= 6  # in two answers, two records and two sidecars at least
    assert _finding("the-log-says-so", {"the log": base64.b64encode(b"?the-log-says-so?")}) == ["the log"]
    assert b"/api/generate" in places["the log"]


def _finding(text: str, places: dict[str, bytes]) -> list[str]:
    return [name for name, content in places.items() if any(form in content for form in _forms(text))]


def _forms(text: str) -> Iterable[bytes]:
    """As it is, and what of it does not depend on its neighbours in base64, at each of the three offsets."""
    plain = text.encode()
    yield plain
    for offset in range(3):
        yield base64.b64encode(b"\0" * offset + plain)[4 if offset else 0 : -4]


def _raw(response: httpx.Response) -> bytes:
    return repr(response.headers.raw).encode() + response.content


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
