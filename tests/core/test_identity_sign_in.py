"""To the provider's page and back: once, in ten minutes, with the code that was made for it."""

import asyncio
import base64
import hashlib
import hmac
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec
import pytest

from nano_banana_lab.adapters.memory.identity_provider import OCTOCAT, MemoryIdentityProvider
from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.core.identity.ports import IdentityProvider, SignInFailed, SignInUnavailable
from nano_banana_lab.core.identity.redirects import RedirectAllowlist
from nano_banana_lab.core.identity.sign_in import BeginSignIn, FinishSignIn, SignInPage
from nano_banana_lab.core.identity.user import User, github_folder
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.testing.frozen_clock import FrozenClock

HUBOT = User(id="480938", login="hubot", user_folder_id=github_folder("480938"))
DEFAULT, OTHER = "https://lab.test/api/auth/callback", "https://app.test/signed-in"
SECRET = "a-secret-of-all-the-processes-0123456789"
RACERS = 20


class ReadsThenWaits(MemoryKeyValueStore):
    """What was read may be old by the time it is used, as with a store on another machine."""

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        await asyncio.sleep(0)
        return value


@dataclass(kw_only=True)
class Door:
    """Both halves of a sign-in, on stores in memory."""

    clock: FrozenClock = field(default_factory=FrozenClock)
    default: str | None = DEFAULT
    configured: bool = True
    key_values: Any = None

    def __post_init__(self) -> None:
        self.key_values = self.key_values or ReadsThenWaits(self.clock)
        self.github = MemoryIdentityProvider(OCTOCAT, HUBOT, clock=self.clock)
        provider: IdentityProvider | None = self.github if self.configured else None
        redirects = RedirectAllowlist([DEFAULT, OTHER])
        both = {"provider": provider, "key_values": self.key_values, "clock": self.clock, "secret": Secret(SECRET)}
        self.begin = BeginSignIn(**both, redirects=redirects, default_redirect_uri=self.default)
        self.finish = FinishSignIn(**both)

    async def arrival(self, login: str = "octocat") -> dict[str, str]:
        """What the browser brings back of a user who agreed."""
        page = await self.begin()
        return {"code": self.github.agree(page.url, login), "state": page.state}


@pytest.fixture
def door() -> Door:
    return Door()


def verifier_of(state: str) -> str:
    digest = hmac.new(SECRET.encode(), f"pkce:{state}".encode(), hashlib.sha256).digest()
    return base64.urlsafe_b64encode(digest).decode().rstrip("=")


def asked_of(page: SignInPage) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(page.url).query).items()}


async def test_whoever_agrees_on_the_providers_page_is_known(door: Door) -> None:
    assert await door.finish(**await door.arrival()) == OCTOCAT
    assert await door.finish(**await door.arrival("hubot")) == HUBOT


async def test_the_page_is_told_state_challenge_and_the_way_back(door: Door) -> None:
    one, two = await door.begin(), await door.begin(OTHER)

    assert (asked_of(one)["state"], asked_of(one)["redirect_uri"]) == (one.state, DEFAULT)
    assert asked_of(two)["redirect_uri"] == OTHER
    assert one.state != two.state
    assert asked_of(one)["code_challenge"] != asked_of(two)["code_challenge"]


async def test_the_challenge_is_the_s256_of_a_verifier_that_only_the_lab_can_make(door: Door) -> None:
    page = await door.begin()
    digest = hashlib.sha256(verifier_of(page.state).encode()).digest()

    assert base64.urlsafe_b64encode(digest).decode() == asked_of(page)["code_challenge"] + "="
    assert len(verifier_of(page.state)) == 43
    assert verifier_of(page.state) not in page.url


async def test_who_reads_the_store_learns_neither_state_nor_verifier(door: Door) -> None:
    page = await door.begin()
    [(key, value)] = door.key_values._values.items()

    for secret in (page.state, verifier_of(page.state)):
        assert secret not in key
        assert secret.encode() not in value
    assert set(msgspec.json.decode(value)) == {"redirect_uri", "begun_at"}


async def test_without_a_default_the_provider_knows_the_way_back() -> None:
    door = Door(default=None)
    page = await door.begin()

    assert "redirect_uri" not in asked_of(page)
    assert await door.finish(code=door.github.agree(page.url), state=page.state) == OCTOCAT


@pytest.mark.parametrize("address", ["https://evil.test/", "", "https://lab.test/", f"{DEFAULT}#x", f"{OTHER}/../x"])
async def test_nobody_is_sent_anywhere_that_is_not_on_the_list(door: Door, address: str) -> None:
    with pytest.raises(ValidationFailed) as refused:
        await door.begin(address)

    assert [(error.field, error.type) for error in refused.value.errors] == [("redirect_uri", "redirect_not_allowed")]


async def test_a_state_works_once(door: Door) -> None:
    arrival = await door.arrival()
    await door.finish(**arrival)
    again = door.github.agree((await door.begin()).url)

    for code in (arrival["code"], again):
        with pytest.raises(SignInFailed):
            await door.finish(code=code, state=arrival["state"])


async def test_of_racing_callbacks_exactly_one_succeeds(door: Door) -> None:
    arrival = await door.arrival()
    outcomes = await asyncio.gather(*(door.finish(**arrival) for _ in range(RACERS)), return_exceptions=True)

    assert sum(outcome == OCTOCAT for outcome in outcomes) == 1
    assert sum(isinstance(outcome, SignInFailed) for outcome in outcomes) == RACERS - 1


async def test_racing_callbacks_ask_the_provider_once(door: Door) -> None:
    """Also when each brings a code of its own that would do."""
    page = await door.begin()
    codes = [door.github.agree(page.url, login) for login in ("octocat", "hubot") * (RACERS // 2)]
    finished = await asyncio.gather(
        *(door.finish(code=code, state=page.state) for code in codes), return_exceptions=True
    )

    assert sum(isinstance(outcome, User) for outcome in finished) == 1
    assert len(door.github._agreements) == RACERS - 1


async def test_a_state_lasts_ten_minutes(door: Door) -> None:
    in_time, late = await door.begin(), await door.begin()
    door.clock.advance(599.9)
    user = await door.finish(code=door.github.agree(in_time.url), state=in_time.state)
    door.clock.advance(0.1)

    assert user == OCTOCAT
    with pytest.raises(SignInFailed):
        await door.finish(code=door.github.agree(late.url), state=late.state)


@pytest.mark.parametrize(
    "state", [None, "", "x", "0123456789abcdef" * 2, "identity/state/x", "f" * 33, "\ud800", "0" * 100_000]
)
async def test_a_state_that_was_never_given_out_is_refused(door: Door, state: str | None) -> None:
    code = (await door.arrival())["code"]

    with pytest.raises(SignInFailed):
        await door.finish(code=code, state=state)
    assert code in door.github._agreements


async def test_a_code_works_only_with_the_state_it_was_made_for(door: Door) -> None:
    """Somebody slips a victim the code of a sign-in of their own, or the other way round (RFC 7636, RFC 9700)."""
    mine, theirs = await door.arrival("octocat"), await door.arrival("hubot")

    with pytest.raises(SignInFailed):
        await door.finish(code=theirs["code"], state=mine["state"])
    with pytest.raises(SignInFailed):
        await door.finish(code=mine["code"], state=theirs["state"])


@pytest.mark.parametrize("code", [None, ""])
async def test_a_user_who_refuses_has_used_up_the_state(door: Door, code: str | None) -> None:
    page = await door.begin()

    with pytest.raises(SignInFailed):
        await door.finish(code=code, state=page.state)
    with pytest.raises(SignInFailed):
        await door.finish(code=door.github.agree(page.url), state=page.state)


async def test_who_comes_while_the_provider_is_away_may_come_again(door: Door) -> None:
    arrival = await door.arrival()
    door.github.available = False
    for _ in range(3):
        with pytest.raises(SignInUnavailable):
            await door.finish(**arrival)
    door.github.available = True

    assert await door.finish(**arrival) == OCTOCAT
    with pytest.raises(SignInFailed):
        await door.finish(**arrival)


@pytest.mark.parametrize(("tried_after", "back_after"), [(500, 100), (599.5, 0.5), (599.9994, 0.0006)])
async def test_a_sign_in_that_was_put_back_lasts_ten_minutes_in_all(
    door: Door, tried_after: float, back_after: float
) -> None:
    page = await door.begin()
    door.clock.advance(tried_after)
    door.github.available = False
    with pytest.raises(SignInUnavailable):
        await door.finish(code="x", state=page.state)
    door.github.available = True
    door.clock.advance(back_after)

    with pytest.raises(SignInFailed):
        await door.finish(code=door.github.agree(page.url), state=page.state)


async def test_a_process_whose_clock_is_behind_puts_back_for_ten_minutes_at_most() -> None:
    ahead, behind = Door(), Door(clock=FrozenClock(FrozenClock().now() - timedelta(seconds=25)))
    behind.finish = replace(behind.finish, key_values=ahead.key_values)
    page = await ahead.begin()
    behind.github.available = False
    with pytest.raises(SignInUnavailable):
        await behind.finish(code="x", state=page.state)
    ahead.clock.advance(600)

    with pytest.raises(SignInFailed):
        await ahead.finish(code=ahead.github.agree(page.url), state=page.state)


async def test_the_provider_being_away_is_the_answer_even_if_the_store_is_too(unreliable: Any, mishap: Any) -> None:
    door = Door(key_values=unreliable(MemoryKeyValueStore(FrozenClock())))
    arrival = await door.arrival()
    door.github.available = False
    door.key_values.mishap = mishap(StoreUnavailable("key-value store"), "commit", at=2)

    with pytest.raises(SignInUnavailable):
        await door.finish(**arrival)
    assert door.key_values.mishap.seen == 2


async def test_without_a_provider_nobody_can_sign_in() -> None:
    door = Door(configured=False)

    with pytest.raises(SignInUnavailable):
        await door.begin("https://evil.test")
    with pytest.raises(SignInUnavailable):
        await door.finish(code="x", state=None)


async def test_nobody_leaves_while_the_way_back_cannot_be_kept(unreliable: Any, mishap: Any) -> None:
    store = MemoryKeyValueStore(FrozenClock())
    door = Door(key_values=unreliable(store, mishap(StoreUnavailable("key-value store"), "commit")))

    with pytest.raises(StoreUnavailable):
        await door.begin()


async def test_a_state_is_used_up_before_the_code_is(unreliable: Any, mishap: Any) -> None:
    door = Door(key_values=unreliable(MemoryKeyValueStore(FrozenClock())))
    arrival = await door.arrival()
    door.key_values.mishap = mishap(StoreUnavailable("key-value store"), "commit")

    with pytest.raises(StoreUnavailable):
        await door.finish(**arrival)
    assert arrival["code"] in door.github._agreements
