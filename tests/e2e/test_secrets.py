"""Keys, tokens and passwords go to whom they are meant for and nowhere else, whatever happens, also while debugging."""

import asyncio
import base64
import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote

import httpx
import pytest
from tests.e2e import mishaps
from tests.e2e.asking import visiting
from tests.e2e.mishaps import PROMPT, STRICT, Visit
from tests.e2e.store_setups import ServiceStores, Stores

from nano_banana_lab.http.errors import STATUS_BY_CODE
from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.github import GitHubDouble, running_github
from nano_banana_lab.testing.lab_process import LabProcess, run_lab_command, running_lab
from nano_banana_lab.testing.redis_server import RedisServer, running_redis
from nano_banana_lab.testing.s3_server import S3Server, running_s3

CALLERS_KEY = "some-secret-of-the-caller-0123456789"
OPERATORS_KEY = "some-secret-of-the-operator-0123456789"
SECRET_KEY = "some-secret-to-sign-with-0123456789-0123456789"
REDIS_PASSWORD = "some-secret/of@redis"
CONFIGURED = (OPERATORS_KEY, SECRET_KEY, S3Server.secret_access_key, REDIS_PASSWORD, quote(REDIS_PASSWORD, safe=""))
SECRETS = {"GOOGLE_API_KEY": OPERATORS_KEY, "SECRET_KEY": SECRET_KEY, "LOG_LEVEL": "DEBUG"}

Places = dict[str, bytes]


@dataclass(frozen=True, kw_only=True)
class Aftermath:
    """All that was stored, logged and answered; and where a secret may be: with whom it was given to."""

    places: Places
    given: Places
    codes: set[str]
    secrets: dict[str, list[str]] = field(default_factory=dict)


@pytest.fixture(scope="module")
def github() -> Iterator[GitHubDouble]:
    with running_github(callback="https://example.org/") as double:
        yield double


@pytest.fixture(scope="module")
def stores(fresh_stores: Stores, request: pytest.FixtureRequest) -> Stores:
    """Where Redis is, it has a password."""
    if isinstance(fresh_stores, ServiceStores):
        fresh_stores.settings["REDIS_URL"] = with_password(request.getfixturevalue("redis_server"))
    return fresh_stores


@pytest.fixture(scope="module")
def aftermath(
    folder: Path, stores: Stores, gemini: GeminiDouble, gemini_settings: dict[str, str], github: GitHubDouble
) -> Aftermath:
    """Of two labs on the same stores, the second of which has no key and a model that is gone."""
    gemini.clear()
    app = {"GITHUB_CLIENT_ID": github.client_id, "GITHUB_CLIENT_SECRET": github.client_secret}
    where = {"GITHUB_URL": github.url, "GITHUB_API_URL": github.url}
    settings = gemini_settings | stores.settings | SECRETS
    meanwhile = Places()
    with running_lab(folder, **settings | STRICT | app | where) as lab:
        visit, of_sign_ins = asyncio.run(_everything_goes_wrong(lab, stores, gemini, github, meanwhile))
        assert lab.stop() == 0
    gone = {"GOOGLE_API_KEY": "", "IMAGE_MODEL": "gemini", "IMAGE_MODEL_ID": "gemini-3.1-flash-image"}
    with running_lab(folder / "gone", **settings | gone) as second:
        other = asyncio.run(_without_a_model(second))
        assert second.stop() == 0
    logs = {"the log": lab.log().encode(), "the other log": second.log().encode()}
    answers = {f"answer {number}": _raw(each) for number, each in enumerate(visit.answers + other.answers)}
    return Aftermath(
        places=meanwhile | stores.everything() | answers | logs,
        given={f"given {number}": _raw(each) for number, each in enumerate(visit.given)},
        codes=visit.codes | other.codes,
        secrets={
            "the caller's key": [CALLERS_KEY],
            "what is configured": [*CONFIGURED, github.client_secret],
            "tokens": visit.tokens,
            "what signing in takes": of_sign_ins,
        },
    )


async def _everything_goes_wrong(
    lab: LabProcess, stores: Stores, gemini: GeminiDouble, github: GitHubDouble, meanwhile: Places
) -> tuple[Visit, list[str]]:
    def look() -> None:
        meanwhile.update({f"{name} while tasks run": kept for name, kept in stores.everything().items()})

    async with visiting(lab) as client:
        visit = Visit(client=client, callers_key=CALLERS_KEY)
        await mishaps.google_fails(visit)
        await mishaps.nothing_is_found(visit)
        await mishaps.requests_are_wrong(visit)
        await mishaps.limits_are_reached(visit, gemini)
        await mishaps.tasks_are_in_the_way(visit, gemini, look)
        of_sign_ins = await mishaps.people_sign_in(visit, github)
        await mishaps.records_are_spoilt(visit, stores)
        for path in ("/api/health/detailed", "/metrics", "/openapi.json", "/docs", "/"):
            await visit.ask("GET", path, headers=visit.own_key)
    return visit, of_sign_ins


async def _without_a_model(lab: LabProcess) -> Visit:
    async with visiting(lab) as client:
        visit = Visit(client=client, callers_key=CALLERS_KEY)
        await visit.ask("POST", "/api/generate", "no_api_key", json={"prompt": PROMPT})
        await visit.ask("POST", "/api/generate", "model_retired", json={"prompt": PROMPT}, headers=visit.own_key)
        await visit.ask("GET", "/api/auth/login", "service_unavailable", headers=visit.own_key)
    return visit


@pytest.mark.parametrize("kind", ["the caller's key", "what is configured", "tokens", "what signing in takes"])
def test_a_secret_is_in_no_log_no_answer_and_no_store(aftermath: Aftermath, kind: str) -> None:
    assert aftermath.secrets[kind]
    assert _leaks(aftermath.secrets[kind], aftermath.places) == {}


@pytest.mark.parametrize("kind", ["the caller's key", "what is configured"])
def test_nor_is_it_in_what_only_one_client_gets(aftermath: Aftermath, kind: str) -> None:
    assert _leaks(aftermath.secrets[kind], aftermath.given) == {}


def test_every_error_there_is_was_looked_at(aftermath: Aftermath) -> None:
    """`interrupted` is told of items only, by the same sentence to everybody."""
    assert aftermath.codes - {""} == STATUS_BY_CODE.keys() - {"interrupted"}


def test_each_key_reached_google(aftermath: Aftermath, gemini: GeminiDouble) -> None:
    used = Counter(request.key_sha256 for request in gemini.requests if request.method == "POST")

    assert {_sha256(CALLERS_KEY), _sha256(OPERATORS_KEY)} <= used.keys()


def test_the_search_for_secrets_finds_what_is_there(aftermath: Aftermath) -> None:
    found = _finding(PROMPT, aftermath.places)

    assert {"answer 0", "answer 1"} <= set(found)
    assert len(found) >= 6  # in two answers, two records and two sidecars at least
    assert all(_finding(token, aftermath.given) for token in aftermath.secrets["tokens"])
    assert _finding("the-log-says-so", {"the log": base64.b64encode(b"?the-log-says-so?")}) == ["the log"]
    assert b"/api/generate" in aftermath.places["the log"]
    assert b"Traceback" in aftermath.places["the log"]


Breaking = Callable[[RedisServer, S3Server], object]
OUTAGES: dict[str, Breaking] = {
    "redis refuses": lambda redis, _: redis.ask("ACL", "DELUSER", "lab"),
    "redis stops": lambda redis, _: redis.stop(),
    "s3 stops": lambda _, s3: s3.stop(),
}


@pytest.mark.parametrize("outage", OUTAGES)
def test_while_a_store_is_away_no_secret_is_told(
    tmp_path: Path, gemini: GeminiDouble, gemini_settings: dict[str, str], outage: str
) -> None:
    """Not by the service, nor by the commands that cannot do what they are told."""
    with running_redis() as redis, running_s3() as s3:
        settings = gemini_settings | ServiceStores(redis, s3, "outage").settings | SECRETS
        settings["REDIS_URL"] = with_password(redis)
        with running_lab(tmp_path, **settings) as lab:
            OUTAGES[outage](redis, s3)
            answers = asyncio.run(_ask_in_vain(lab))
            lab.kill()
        told = {word: run_lab_command(*word.split(), folder=tmp_path, **settings) for word in COMMANDS}
    places = {f"answer {number}": _raw(each) for number, each in enumerate(answers)} | {"the log": lab.log().encode()}
    places |= {word: (outcome.stdout + outcome.stderr).encode() for word, outcome in told.items()}

    assert {answer.status_code for answer in answers} == {503}
    assert {outcome.returncode for outcome in told.values()} == {1}
    assert _leaks((CALLERS_KEY, *CONFIGURED), places) == {}


COMMANDS = ("check --json", "generate nothing -o nothing.png")


async def _ask_in_vain(lab: LabProcess) -> list[httpx.Response]:
    """What is answered once the lab has noticed."""
    async with visiting(lab) as client:
        client.headers["X-API-Key"] = CALLERS_KEY
        async with asyncio.timeout(60):
            while (ready := await client.get("/api/health/ready")).status_code == 200:  # noqa: ASYNC110 - can only ask
                await asyncio.sleep(0.05)
        made = await client.post("/api/generate", json={"prompt": PROMPT})
        batch = await client.post("/api/generate/batch", json={"prompts": [PROMPT]})
        return [ready, made, batch]


@pytest.mark.parametrize("command", ["serve", "check"])
@pytest.mark.parametrize(
    "address",
    [
        "redis://lab:{password}@127.0.0.1:no-port/0",
        "http://lab:{password}@127.0.0.1:6379/0",
        "rediss://lab:{password}@127.0.0.1:6379/0?ssl_cert_reqs=nonsense",
    ],
)
def test_an_address_that_cannot_be_used_is_not_repeated(tmp_path: Path, command: str, address: str) -> None:
    wrong = {"REDIS_URL": address.format(password=quote(REDIS_PASSWORD, safe="")), "SECRET_KEY": SECRET_KEY}
    outcome = run_lab_command(command, folder=tmp_path, **wrong)
    output = outcome.stdout + outcome.stderr

    assert (outcome.returncode, "REDIS_URL: " in output, "Traceback" in output) == (2, True, False)
    assert _leaks(CONFIGURED, {"output": output.encode()}) == {}


def with_password(redis: RedisServer) -> str:
    """The address of this server for a user who needs a password, which it then asks for."""
    redis.ask("ACL", "SETUSER", "lab", "on", f">{REDIS_PASSWORD}", "~*", "&*", "+@all")
    return redis.url.replace("redis://", f"redis://lab:{quote(REDIS_PASSWORD, safe='')}@")


def _leaks(secrets: Iterable[str], places: Places) -> dict[str, list[str]]:
    """Where each secret is found that is found at all."""
    return {secret: found for secret in secrets if (found := _finding(secret, places))}


def _finding(text: str, places: Places) -> list[str]:
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
