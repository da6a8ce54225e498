"""What an access token looks like, who may have one, and what a store that is away does to it."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_banana_lab.adapters.memory.key_value_store import MemoryKeyValueStore
from nano_banana_lab.core.identity.access_token import AccessToken, Scope, is_well_formed, new_text
from nano_banana_lab.core.identity.access_tokens import AccessTokens, TokenWish
from nano_banana_lab.core.identity.bearer import Bearer
from nano_banana_lab.core.identity.last_used import LastUsed
from nano_banana_lab.core.identity.ports import (
    AuthenticationFailed,
    GuestsHaveNoTokens,
    ScopeMissing,
    SignInUnavailable,
)
from nano_banana_lab.core.identity.user import User, new_guest
from nano_banana_lab.core.shared.errors import NotFound, ValidationFailed
from nano_banana_lab.core.shared.ids import ANONYMOUS
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.testing.frozen_clock import FrozenClock

OCTOCAT = User(id="583231", login="octocat", user_folder_id="6fac44aa6f9ae93e")
MONA = User(id="1", login="mona", user_folder_id="0123456789abcdef")
DAY = 86400
BASE62 = "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"


class Watched(MemoryKeyValueStore):
    """Keeps what was read and written."""

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__(clock)
        self.seen: list[Any] = []

    async def get(self, key: str) -> bytes | None:
        self.seen.append(key)
        return await super().get(key)

    async def commit(self, *operations: Any) -> tuple[int | None, ...]:
        self.seen.append(operations)
        return await super().commit(*operations)


@dataclass(kw_only=True)
class Desk:
    """Where tokens are had."""

    clock: FrozenClock = field(default_factory=FrozenClock)
    key_values: Any = None
    secret: str = "s" * 32

    def __post_init__(self) -> None:
        self.key_values = self.key_values or Watched(self.clock)
        self.last_used = LastUsed(self.key_values, self.clock)
        self.tokens = AccessTokens(
            key_values=self.key_values, clock=self.clock, secret=Secret(self.secret), last_used=self.last_used
        )

    async def made(self, *scopes: Scope, maker: User | Bearer = OCTOCAT, **wish: Any) -> tuple[str, AccessToken]:
        by = maker if isinstance(maker, Bearer) else Bearer.of(maker)
        asked = TokenWish(name="a frame", scopes=scopes or tuple(Scope), **wish)
        text, token = await self.tokens.create(by, asked)
        return text.reveal(), token


@pytest.fixture
def desk() -> Desk:
    return Desk()


def test_no_two_tokens_are_alike_and_all_look_alike() -> None:
    texts = {new_text().reveal() for _ in range(200)}

    assert len(texts) == 200
    assert {(text[:4], len(text), is_well_formed(text)) for text in texts} == {("nbl_", 42, True)}
    assert set("".join(text[4:] for text in texts)) == set(BASE62)


@given(place=st.integers(4, 41), other=st.sampled_from(BASE62))
def test_a_typo_is_told_by_the_text_alone(place: int, other: str) -> None:
    text = new_text().reveal()
    mistyped = text[:place] + other + text[place + 1 :]

    assert is_well_formed(mistyped) is (mistyped == text)


@pytest.mark.parametrize(
    "made_of", ["{}x", " {}", "x{}", "nbl_", "nbl_{}", "", "nbl_" + "é" * 38, "nbl_" + "\ud800" * 38]
)
async def test_what_cannot_be_a_token_is_refused_without_asking_the_store(desk: Desk, made_of: str) -> None:
    text, _ = await desk.made()
    desk.key_values.seen.clear()

    for wrong in (made_of.format(text), text[:-1], text.lower(), text.replace("nbl_", "NBL_")):
        with pytest.raises(AuthenticationFailed):
            await desk.tokens.recognise(wrong)
    assert desk.key_values.seen == []


async def test_the_store_never_sees_the_text(desk: Desk) -> None:
    text, token = await desk.made()
    await desk.tokens.recognise(text)
    await desk.last_used.finish()
    await desk.tokens.revoke(OCTOCAT.owner, token.id)

    assert token.prefix == text[:8]
    assert text[8:20] not in repr(desk.key_values.seen)
    assert len(desk.key_values.seen) >= 5


async def test_a_token_is_known_by_processes_with_the_same_secret_alone(desk: Desk) -> None:
    text, _ = await desk.made(Scope.READ)
    same, other = (Desk(clock=desk.clock, key_values=desk.key_values, secret=each * 32) for each in "st")

    assert (await same.tokens.recognise(text)).scopes == (Scope.READ,)
    with pytest.raises(AuthenticationFailed):
        await other.tokens.recognise(text)


async def test_a_token_stands_for_its_user(desk: Desk) -> None:
    text, token = await desk.made(Scope.READ, Scope.GENERATE, Scope.READ)
    bearer = await desk.tokens.recognise(text)

    assert (bearer.user, bearer.owner, bearer.scopes) == (OCTOCAT, OCTOCAT.owner, (Scope.GENERATE, Scope.READ))
    assert bearer.access_token == token


async def test_a_token_holds_to_its_last_moment_and_leaves_nothing(desk: Desk) -> None:
    text, token = await desk.made(expires_in_days=2)
    desk.clock.advance(2 * DAY - 0.001)
    before = await desk.tokens.recognise(text)
    await desk.last_used.finish()
    desk.clock.advance(0.001)

    assert before.owner == OCTOCAT.owner
    with pytest.raises(AuthenticationFailed):
        await desk.tokens.recognise(text)
    assert await desk.tokens.of(OCTOCAT.owner) == []
    assert await desk.key_values.get(f"identity/token/{token.id}") is None


async def test_the_newest_is_listed_first(desk: Desk) -> None:
    made = []
    for _ in range(5):
        made.append((await desk.made())[1].id)
        desk.clock.advance(1)

    assert [each.id for each in await desk.tokens.of(OCTOCAT.owner)] == made[::-1]
    assert await desk.tokens.of(MONA.owner) == []


@pytest.mark.parametrize("id", ["", "x", "0" * 32, "../" * 500])
async def test_there_is_nothing_to_revoke_where_nothing_is(desk: Desk, id: str) -> None:
    with pytest.raises(NotFound):
        await desk.tokens.revoke(OCTOCAT.owner, id)


async def test_nobody_revokes_what_is_somebody_elses(desk: Desk) -> None:
    text, token = await desk.made()

    with pytest.raises(NotFound):
        await desk.tokens.revoke(MONA.owner, token.id)
    assert (await desk.tokens.recognise(text)).owner == OCTOCAT.owner


async def test_guests_and_nobody_have_no_tokens(desk: Desk) -> None:
    with pytest.raises(GuestsHaveNoTokens):
        await desk.made(maker=new_guest())
    with pytest.raises(SignInUnavailable):
        await desk.made(maker=Bearer(owner=ANONYMOUS))


@pytest.mark.parametrize(
    ("name", "kind"), [("", "blank"), (" \t ", "blank"), ("x" * 101, "too_long"), ("a \ud800", "not_unicode")]
)
async def test_a_name_that_cannot_be_kept_is_refused(desk: Desk, name: str, kind: str) -> None:
    with pytest.raises(ValidationFailed) as refusal:
        await desk.tokens.create(Bearer.of(OCTOCAT), TokenWish(name=name))

    assert [(error.field, error.type) for error in refusal.value.errors] == [("name", kind)]


async def test_a_token_makes_none_that_may_do_more(desk: Desk) -> None:
    text, _ = await desk.made(Scope.MANAGE, Scope.READ)
    bearer = await desk.tokens.recognise(text)
    _, less = await desk.made(Scope.READ, maker=bearer)

    assert less.scopes == (Scope.READ,)
    with pytest.raises(ScopeMissing) as refusal:
        await desk.made(Scope.READ, Scope.GENERATE, maker=bearer)
    assert refusal.value.details == {"scope": "generate"}


@pytest.mark.parametrize(("days", "left"), [(1, DAY), (2, 1.5 * DAY), (None, 1.5 * DAY)])
async def test_a_token_makes_none_that_outlives_it(desk: Desk, days: int | None, left: float) -> None:
    text, _ = await desk.made(expires_in_days=2)
    bearer = await desk.tokens.recognise(text)
    desk.clock.advance(DAY / 2)
    _, made = await desk.made(maker=bearer, expires_in_days=days)

    assert made.seconds_left(desk.clock.now()) == left


async def test_a_token_that_has_just_expired_makes_none(desk: Desk) -> None:
    text, _ = await desk.made(expires_in_days=1)
    bearer = await desk.tokens.recognise(text)
    desk.clock.advance(DAY)

    with pytest.raises(AuthenticationFailed):
        await desk.made(maker=bearer)


class Patient(MemoryKeyValueStore):
    """Does not write before it may."""

    def __init__(self, clock: FrozenClock) -> None:
        super().__init__(clock)
        self.may_write = asyncio.Event()
        self.may_write.set()

    async def commit(self, *operations: Any) -> tuple[int | None, ...]:
        await self.may_write.wait()
        return await super().commit(*operations)


async def test_nobody_waits_for_the_note_of_a_last_use() -> None:
    clock = FrozenClock()
    desk = Desk(clock=clock, key_values=Patient(clock))
    text, _ = await desk.made()
    desk.key_values.may_write.clear()
    bearer = await desk.tokens.recognise(text)  # while the store does not write
    desk.key_values.may_write.set()
    await desk.last_used.finish()
    [listed] = await desk.tokens.of(OCTOCAT.owner)

    assert bearer.access_token is not None
    assert (bearer.access_token.last_used_at, listed.last_used_at) == (None, clock.now())


async def test_a_note_that_cannot_be_kept_fails_nobody(
    unreliable: Any, mishap: Any, caplog: pytest.LogCaptureFixture
) -> None:
    clock = FrozenClock()
    desk = Desk(clock=clock, key_values=unreliable(MemoryKeyValueStore(clock)))
    text, token = await desk.made()
    desk.key_values.mishap = mishap(StoreUnavailable("key value store"), "commit", times=1)
    bearer = await desk.tokens.recognise(text)
    await desk.last_used.finish()
    missed = (await desk.tokens.of(OCTOCAT.owner))[0].last_used_at
    await desk.tokens.recognise(text)
    await desk.last_used.finish()

    assert (bearer.owner, missed) == (OCTOCAT.owner, None)
    assert (await desk.tokens.of(OCTOCAT.owner))[0].last_used_at == clock.now()
    assert [record.token_id for record in caplog.records] == [token.id]  # type: ignore[attr-defined]  # an extra
    assert text not in caplog.text


async def test_a_token_is_not_taken_on_trust_while_the_store_is_down(unreliable: Any, mishap: Any) -> None:
    """It may have been revoked."""
    clock = FrozenClock()
    desk = Desk(clock=clock, key_values=unreliable(MemoryKeyValueStore(clock)))
    text, _ = await desk.made()
    await desk.tokens.recognise(text)
    desk.key_values.mishap = mishap(StoreUnavailable("key value store"), "get")

    with pytest.raises(StoreUnavailable):
        await desk.tokens.recognise(text)


class RevokesBetween(MemoryKeyValueStore):
    """A token is revoked after it was read and before its use is noted."""

    async def get(self, key: str) -> bytes | None:
        value = await super().get(key)
        if value is not None and (revoke := getattr(self, "revoke", None)):
            self.revoke = None
            await revoke(msgspec.json.decode(value, type=AccessToken))
        return value


async def test_a_note_does_not_bring_a_revoked_token_back() -> None:
    clock = FrozenClock()
    desk = Desk(clock=clock, key_values=RevokesBetween(clock))
    text, _ = await desk.made()
    desk.key_values.revoke = lambda token: desk.tokens.revoke(OCTOCAT.owner, token.id)
    await desk.tokens.recognise(text)
    await desk.last_used.finish()

    with pytest.raises(AuthenticationFailed):
        await desk.tokens.recognise(text)
