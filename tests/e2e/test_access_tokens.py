"""Access tokens at two processes that share a Redis and a secret, and on the command line beside them."""

import asyncio
import json
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from tests.e2e.asking import visiting
from tests.e2e.store_setups import ServiceStores

from nano_banana_lab.adapters.jwt.token_issuer import JwtTokenIssuer
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.clock import SystemClock
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.testing.gemini import GeminiDouble
from nano_banana_lab.testing.lab_process import LabProcess, run_lab_command, running_lab
from nano_banana_lab.testing.redis_server import RedisServer
from nano_banana_lab.testing.s3_server import S3Server

SECRET_KEY = "one-secret-of-all-the-processes-0123456789"
SETTINGS = {"AUTH_ENABLED": "true", "SECRET_KEY": SECRET_KEY, "LOG_LEVEL": "DEBUG"}


@dataclass(frozen=True, kw_only=True)
class House:
    """Two processes, what they share, and how a command is told of it."""

    one: LabProcess
    two: LabProcess
    stores: ServiceStores
    folder: Path
    settings: dict[str, str]

    def command(self, *arguments: str) -> Any:
        return run_lab_command("token", *arguments, folder=self.folder, **self.settings)

    def kept(self) -> bytes:
        """All that is in the stores, in the folders of the processes, and in their logs."""
        files = [file.read_bytes() for file in self.folder.rglob("*") if file.is_file()]
        logs = [lab.log().encode() for lab in (self.one, self.two)]
        return b"\n".join([*files, *logs, *self.stores.everything().values()])


@pytest.fixture(scope="module")
def house(
    folder: Path, redis_server: RedisServer, s3_server: S3Server, gemini_settings: dict[str, str]
) -> Iterator[House]:
    stores = ServiceStores(redis_server, s3_server, "access-tokens")
    settings = stores.settings | gemini_settings | SETTINGS
    with running_lab(folder / "one", **settings) as one, running_lab(folder / "two", **settings) as two:
        yield House(one=one, two=two, stores=stores, folder=folder, settings=settings)


def session_of(login: str) -> tuple[User, str]:
    """Somebody new who has signed in."""
    user = User(id=login, login=login, user_folder_id=new_id())
    issuer = JwtTokenIssuer(Secret(SECRET_KEY), clock=SystemClock(), lifetime=timedelta(days=7))
    return user, issuer.issue(user)[0].reveal()


async def made(client: httpx.AsyncClient, *scopes: str) -> dict[str, Any]:
    wish = {"name": "a frame"} | ({"scopes": scopes} if scopes else {})
    return dict((await client.post("/api/auth/tokens", json=wish)).raise_for_status().json())


async def test_a_token_of_one_process_is_good_at_the_other_until_it_is_revoked(house: House) -> None:
    user, session = session_of("octocat")
    async with visiting(house.one, token=session) as person:
        token = await made(person)
        async with visiting(house.two, token=token["token"]) as program:
            before = await program.get("/api/auth/me")
            await person.delete(f"/api/auth/tokens/{token['id']}")
            after = await program.get("/api/auth/me")

    assert (before.status_code, before.json()["user_folder_id"]) == (200, user.user_folder_id)
    assert (after.status_code, after.json()["code"]) == (401, "authentication_failed")


async def test_while_it_is_used_everywhere_a_revoked_token_is_over_everywhere(house: House) -> None:
    """Answers to what was asked after the revocation was answered, while uses go on."""
    _, session = session_of("mona")
    async with visiting(house.one, token=session) as person:
        token = await made(person)
        headers = {"Authorization": f"Bearer {token['token']}"}
        async with visiting(house.one) as one, visiting(house.two) as two:
            uses = [asyncio.create_task(each.get("/api/auth/me", headers=headers)) for each in (one, two) * 20]
            await person.delete(f"/api/auth/tokens/{token['id']}")
            after = [await each.get("/api/auth/me", headers=headers) for each in (one, two) * 3]
            during = [(await use).status_code for use in uses]
            later = [await each.get("/api/auth/me", headers=headers) for each in (one, two) * 3]

    assert {answer.status_code for answer in after + later} == {401}
    assert set(during) <= {200, 401}


async def test_a_token_that_may_only_read_makes_nothing(house: House, gemini: GeminiDouble) -> None:
    gemini.clear()
    _, session = session_of("reader")
    async with visiting(house.one, token=session) as person:
        token = await made(person, "read")
    async with visiting(house.two, token=token["token"]) as program:
        refused = await program.post("/api/generate", json={"prompt": "a theft"})
        read = await program.get("/api/history")

    assert (refused.status_code, refused.json()["error"]["details"]) == (403, {"scope": "generate"})
    assert refused.headers["www-authenticate"] == 'Bearer error="insufficient_scope", scope="generate"'
    assert read.status_code == 200
    assert [each for each in gemini.requests if each.method == "POST"] == []


async def test_of_those_made_at_once_at_two_processes_fifty_are(house: House) -> None:
    _, session = session_of("eager")
    async with visiting(house.one, token=session) as one, visiting(house.two, token=session) as two:
        wish = {"name": "a frame"}
        answers = await asyncio.gather(*[(one, two)[n % 2].post("/api/auth/tokens", json=wish) for n in range(60)])
        listed = (await two.get("/api/auth/tokens")).json()

    assert sorted(answer.status_code for answer in answers) == [200] * 50 + [403] * 10
    assert listed["total"] == 50


async def test_no_token_is_found_in_redis_on_disk_or_in_a_log(house: House) -> None:
    _, session = session_of("careful")
    async with visiting(house.one, token=session) as person, visiting(house.two) as stranger:
        token = await made(person)
        text = token["token"]
        await stranger.get("/api/history", headers={"Authorization": f"Bearer {text}"})
        await stranger.get("/api/history", headers={"Authorization": f"Bearer {text}x"})
        await stranger.get(f"/api/{text}", params={"token": text})
        await stranger.post("/api/auth/logout", headers={"Authorization": f"Bearer {text}"})
        other = await made(person)
    kept = house.kept()

    assert other["prefix"].encode() in kept  # so that the search is known to see records
    assert text.encode() not in kept
    assert other["token"].encode() not in kept
    assert text[12:].encode() not in kept


async def test_an_operator_makes_lists_and_revokes_tokens(house: House) -> None:
    printed = await asyncio.to_thread(house.command, "create", "--user", "robot", "--name", "nightly", "--days", "7")
    text = printed.stdout.strip()
    async with visiting(house.one, token=text) as robot:
        me = await robot.get("/api/auth/me")
        listed = await asyncio.to_thread(house.command, "list", "--user", "robot", "--json")
        [found] = json.loads(listed.stdout)["tokens"]
        revoked = await asyncio.to_thread(house.command, "revoke", "--user", "robot", found["id"])
        after = await robot.get("/api/auth/me")

    assert (printed.returncode, revoked.returncode, me.json()["user_folder_id"]) == (0, 0, "robot")
    assert (found["name"], found["prefix"], found["scopes"]) == ("nightly", text[:8], ["generate", "read"])
    assert text not in listed.stdout + listed.stderr + printed.stderr
    assert after.status_code == 401
