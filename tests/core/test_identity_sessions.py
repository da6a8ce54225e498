"""What holds between signing in and signing out."""

import asyncio
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest

from nano_banana_lab.adapters.jwt.token_issuer import JwtTokenIssuer
from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.core.identity.access_tokens import AccessTokens
from nano_banana_lab.core.identity.identify_owner import SignedInOwner
from nano_banana_lab.core.identity.last_used import LastUsed
from nano_banana_lab.core.identity.ports import AuthenticationFailed, NotAllowed, SignInUnavailable
from nano_banana_lab.core.identity.sessions import Session, Sessions
from nano_banana_lab.core.identity.user import User, github_folder
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.testing.frozen_clock import FrozenClock

OCTOCAT = User(id="583231", login="octocat", user_folder_id=github_folder("583231"))
DAY = 86400
RACERS = 20


class ReadsThenWaits(MemoryKeyValueStore):
    """What was read may be old by the time it is used, as with a store on another machine."""

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        await asyncio.sleep(0)
        return value


@dataclass(kw_only=True)
class House:
    """Processes that share a store and a secret, and may have different settings and clocks."""

    clock: FrozenClock = field(default_factory=FrozenClock)
    key_values: Any = None

    def __post_init__(self) -> None:
        self.key_values = self.key_values or ReadsThenWaits(self.clock)

    def process(self, *, ahead: float = 0, **options: Any) -> Sessions:
        clock = FrozenClock(self.clock.now() + timedelta(seconds=ahead)) if ahead else self.clock
        return Sessions(
            tokens=JwtTokenIssuer(Secret(options.pop("secret", "s" * 32)), clock=clock, lifetime=timedelta(days=7)),
            key_values=self.key_values,
            clock=clock,
            **{"enabled": True, "guests": True} | options,
        )


@pytest.fixture
def house() -> House:
    return House()


@pytest.fixture
def sessions(house: House) -> Sessions:
    return house.process()


def signed_in(sessions: Sessions) -> SignedInOwner:
    key_values, clock = sessions.key_values, sessions.clock
    last_used = LastUsed(key_values, clock)
    access_tokens = AccessTokens(key_values=key_values, clock=clock, secret=Secret("s" * 32), last_used=last_used)
    return SignedInOwner(sessions=sessions, access_tokens=access_tokens)


def token_of(session: Session) -> str:
    return session.token.reveal()


async def test_a_token_names_its_user_until_it_expires(house: House, sessions: Sessions) -> None:
    session = sessions.begin(OCTOCAT)
    house.clock.advance(7 * DAY - 1)

    assert session.expires_in == 7 * DAY
    assert (await sessions.recognise(token_of(session))).user == OCTOCAT


async def test_an_expired_token_is_refused(house: House, sessions: Sessions) -> None:
    token = token_of(sessions.begin(OCTOCAT))
    house.clock.advance(7 * DAY + 60)

    with pytest.raises(AuthenticationFailed):
        await sessions.recognise(token)


@pytest.mark.parametrize("token", [None, "", "x", "a.b.c", "guest-1234"])
async def test_without_a_real_token_nobody_is_recognised(sessions: Sessions, token: str | None) -> None:
    for act in (sessions.recognise, sessions.renew, sessions.end, signed_in(sessions)):
        with pytest.raises(AuthenticationFailed):
            await act(token)


async def test_the_owner_is_the_users_folder(sessions: Sessions) -> None:
    token = token_of(sessions.begin(OCTOCAT))

    assert (await signed_in(sessions)(token)).owner == "6fac44aa6f9ae93e"


async def test_a_session_that_was_ended_is_over_in_every_process_at_once(house: House, sessions: Sessions) -> None:
    token, other = token_of(sessions.begin(OCTOCAT)), token_of(sessions.begin(OCTOCAT))
    await sessions.end(token)

    for process in (sessions, house.process()):
        with pytest.raises(AuthenticationFailed):
            await process.recognise(token)
        assert (await process.recognise(other)).user == OCTOCAT


async def test_a_session_cannot_be_ended_twice(sessions: Sessions) -> None:
    token = token_of(sessions.begin(OCTOCAT))
    await sessions.end(token)

    with pytest.raises(AuthenticationFailed):
        await sessions.end(token)


@pytest.mark.parametrize("ahead", [-30, 30])
async def test_a_revoked_token_is_refused_as_long_as_any_process_would_take_it(house: House, ahead: float) -> None:
    """The clock of the process that revokes may be ahead of or behind that of the one that is asked."""
    token = token_of(house.process().begin(OCTOCAT))
    await house.process(ahead=ahead).end(token)
    lenient = house.process()

    for seconds in (0, 7 * DAY, 29, 2):  # beyond the last, the token has expired for everybody
        house.clock.advance(seconds)
        with pytest.raises(AuthenticationFailed):
            await lenient.recognise(token)


async def test_what_is_remembered_of_revoked_tokens_is_forgotten_again(house: House, sessions: Sessions) -> None:
    token = token_of(sessions.begin(OCTOCAT))
    key = f"identity/revoked/{(await sessions.recognise(token)).id}"
    await sessions.end(token)
    house.clock.advance(7 * DAY)
    kept = await house.key_values.get(key)
    house.clock.advance(61)

    assert (kept, await house.key_values.get(key)) == (b"1", None)


async def test_a_renewed_session_goes_on_with_another_token_alone(house: House, sessions: Sessions) -> None:
    old = token_of(sessions.begin(OCTOCAT))
    house.clock.advance(6 * DAY)
    renewed = await sessions.renew(old)
    house.clock.advance(6 * DAY)

    assert (renewed.user, renewed.expires_in) == (OCTOCAT, 7 * DAY)
    assert (await sessions.recognise(token_of(renewed))).user == OCTOCAT
    with pytest.raises(AuthenticationFailed):
        await sessions.recognise(old)


async def test_of_racing_renewals_exactly_one_succeeds(house: House, sessions: Sessions) -> None:
    token = token_of(sessions.begin(OCTOCAT))
    processes = [house.process() for _ in range(RACERS)]
    outcomes = await asyncio.gather(*(each.renew(token) for each in processes), return_exceptions=True)

    assert sum(isinstance(outcome, Session) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, AuthenticationFailed) for outcome in outcomes) == RACERS - 1


async def test_a_token_is_not_taken_on_trust_while_the_store_is_down(unreliable: Any, mishap: Any) -> None:
    """It may have been revoked."""
    house = House()
    house.key_values = unreliable(house.key_values)
    sessions = house.process()
    token = token_of(sessions.begin(OCTOCAT))
    house.key_values.mishap = mishap(StoreUnavailable("key-value store"), "get")

    with pytest.raises(StoreUnavailable):
        await sessions.recognise(token)


@pytest.mark.parametrize("applied", [True, False])
async def test_a_renewal_leaves_nobody_without_a_token(
    unreliable: Any, mishap: Any, caplog: pytest.LogCaptureFixture, *, applied: bool
) -> None:
    """The store went away while it noted the end of the old token, which a guest could not replace."""
    house = House()
    house.key_values = unreliable(house.key_values)
    sessions = house.process()
    guest = sessions.begin_as_guest()
    house.key_values.mishap = mishap(StoreUnavailable("key-value store"), "commit", applied=applied)
    renewed = await sessions.renew(token_of(guest))

    assert (await sessions.recognise(token_of(renewed))).user == guest.user
    assert [record.levelname for record in caplog.records] == ["WARNING"]
    assert token_of(guest) not in caplog.text
    assert token_of(renewed) not in caplog.text


async def test_a_token_whose_end_could_not_be_noted_is_not_renewed_once_it_is_over(
    unreliable: Any, mishap: Any
) -> None:
    house = House()
    house.key_values = unreliable(house.key_values)
    sessions = house.process()
    token = token_of(sessions.begin(OCTOCAT))
    house.key_values.mishap = mishap(StoreUnavailable("key-value store"), "commit", times=1, applied=True)
    await sessions.renew(token)

    with pytest.raises(AuthenticationFailed):
        await sessions.renew(token)


async def test_who_leaves_is_told_when_that_could_not_be_kept(unreliable: Any, mishap: Any) -> None:
    house = House()
    house.key_values = unreliable(house.key_values)
    sessions = house.process()
    token = token_of(sessions.begin(OCTOCAT))
    house.key_values.mishap = mishap(StoreUnavailable("key-value store"), "commit")

    with pytest.raises(StoreUnavailable):
        await sessions.end(token)


async def test_a_guest_is_somebody_of_their_own(sessions: Sessions) -> None:
    one, two = sessions.begin_as_guest(), sessions.begin_as_guest()

    assert one.user.owner != two.user.owner
    assert (await sessions.recognise(token_of(one))).user == one.user
    assert one.user.login == one.user.user_folder_id[:10]
    assert one.user.is_guest
    assert not OCTOCAT.is_guest


async def test_a_renewed_guest_stays_the_same_one(sessions: Sessions) -> None:
    guest = sessions.begin_as_guest()

    assert (await sessions.renew(token_of(guest))).user == guest.user


async def test_without_a_trial_no_guest_is_let_in_any_more(house: House, sessions: Sessions) -> None:
    guest, user = token_of(sessions.begin_as_guest()), token_of(sessions.begin(OCTOCAT))
    later = house.process(guests=False)

    with pytest.raises(NotAllowed):
        later.begin_as_guest()
    for act in (later.recognise, later.renew, later.end):
        with pytest.raises(AuthenticationFailed):
            await act(guest)
    assert (await later.recognise(user)).user == OCTOCAT


async def test_while_sign_in_is_off_nobody_has_a_session(house: House, sessions: Sessions) -> None:
    token = token_of(sessions.begin(OCTOCAT))
    off = house.process(enabled=False)

    with pytest.raises(SignInUnavailable):
        off.begin_as_guest()
    for act in (off.recognise, off.renew):
        with pytest.raises(AuthenticationFailed):
            await act(token)
    await off.end(token)
    assert (await sessions.recognise(token)).user == OCTOCAT


async def test_another_secret_recognises_nobody(house: House, sessions: Sessions) -> None:
    token = token_of(sessions.begin(OCTOCAT))

    with pytest.raises(AuthenticationFailed):
        await house.process(secret="t" * 32).recognise(token)
