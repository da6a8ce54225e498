"""Access tokens: made for programs by somebody who signed in, known again, listed, and revoked."""

import hashlib
import hmac
import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

import msgspec

from nano_banana_lab.core.identity.access_token import (
    MAX_NAME_CHARACTERS,
    AccessToken,
    Scope,
    in_order,
    is_well_formed,
    new_text,
    shown,
)
from nano_banana_lab.core.identity.bearer import Bearer
from nano_banana_lab.core.identity.keys import access_token_key, access_token_place_key
from nano_banana_lab.core.identity.last_used import LastUsed
from nano_banana_lab.core.identity.ports import (
    AuthenticationFailed,
    GuestsHaveNoTokens,
    SignInUnavailable,
    TooManyTokens,
)
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.clock import Clock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.errors import NotFound, ValidationFailed
from nano_banana_lab.core.shared.ids import OwnerId, is_id
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.core.storage.operations import CommitRefused, Delete, Put
from nano_banana_lab.core.storage.ports import KeyValueStore

MOST_TOKENS = 50
"""How many one owner may have at a time, so that nobody fills the store for all."""

USUAL_SCOPES = (Scope.GENERATE, Scope.READ)
"""Of a token that was asked for without any: enough to make pictures and look at them, not to delete them."""


class TokenWish(msgspec.Struct, frozen=True, kw_only=True):
    """What a new token shall be like; without `expires_in_days` it holds until it is revoked."""

    name: str
    scopes: Sequence[Scope] = USUAL_SCOPES
    expires_in_days: int | None = None


@dataclass(frozen=True, kw_only=True)
class AccessTokens:
    """The store has each token under a keyed hash of its text; who reads the store can make none and use none.

    `secret` is one that every process of the lab has. Nothing is remembered in the process,
    so a token that one process revoked is refused by all of them from then on.
    Each owner has `MOST_TOKENS` places, and a token takes one until it is revoked or expires.
    """

    key_values: KeyValueStore
    clock: Clock
    secret: Secret
    last_used: LastUsed

    async def create(self, maker: Bearer, wish: TokenWish) -> tuple[Secret, AccessToken]:
        """A new token of whoever asks: its text, which is told this once, and what is kept of it.

        An access token makes none that may do more than itself, nor one that outlives it: that one's life is cut short.
        Raises `SignInUnavailable` where nobody signs in, `GuestsHaveNoTokens`, `ScopeMissing`, `TooManyTokens`,
        and `ValidationFailed` for a name that cannot be kept.
        After `StoreUnavailable` there may be a token whose text nobody knows; it is listed, and can be revoked.
        """
        user, name = _may_have_tokens(maker.user), _checked_name(wish.name)
        maker.insist_on(*wish.scopes)
        now = from_milliseconds(milliseconds(self.clock.now()))
        text = new_text()
        token = AccessToken(
            id=self._id_of(text.reveal()),
            name=name,
            user=user,
            scopes=in_order(wish.scopes),
            prefix=shown(text),
            created_at=now,
            expires_at=_expiry(now, wish.expires_in_days, maker.access_token),
        )
        if token.expired(now):  # as its maker has meanwhile
            raise AuthenticationFailed
        await self._keep(token)
        return text, token

    async def of(self, owner: OwnerId) -> list[AccessToken]:
        """The owner's tokens that hold, the newest first."""
        keys = [access_token_key(named) for named in (await self._places(owner)).values() if named is not None]
        tokens = [_read(kept) for kept in await self.key_values.get_many(keys) if kept is not None]
        now = self.clock.now()
        return sorted((each for each in tokens if not each.expired(now)), key=lambda each: each.created_at)[::-1]

    async def revoke(self, owner: OwnerId, id: str) -> None:
        """From now on the token is refused everywhere. Of several at once one succeeds. Raises `NotFound`."""
        while True:
            kept = await self.key_values.get(access_token_key(id)) if is_id(id) else None
            if kept is None or _read(kept).user.owner != owner:
                raise NotFound
            taken = [place for place, named in (await self._places(owner)).items() if named == id]
            try:
                await self.key_values.commit(
                    Delete(key=access_token_key(id), if_present=True),
                    *[Delete(key=place, if_equals=id.encode()) for place in taken],
                )
            except CommitRefused:  # revoked or expired meanwhile
                continue
            return

    async def recognise(self, text: str) -> Bearer:
        """Who carries the token, provided it holds; that it was used is noted. Raises `AuthenticationFailed`."""
        if not is_well_formed(text):
            raise AuthenticationFailed
        kept = await self.key_values.get(access_token_key(self._id_of(text)))
        if kept is None or (token := _read(kept)).expired(self.clock.now()):
            raise AuthenticationFailed
        self.last_used.note(token, kept)
        return Bearer.of(token.user, token)

    async def _keep(self, token: AccessToken) -> None:
        """In some place that is free. Raises `TooManyTokens`."""
        ttl = token.seconds_left(token.created_at)
        while free := [place for place, named in (await self._places(token.user.owner)).items() if named is None]:
            place = secrets.choice(free)  # several at once should not all try one
            try:
                await self.key_values.commit(
                    Put(key=access_token_key(token.id), value=msgspec.json.encode(token), if_absent=True, ttl=ttl),
                    Put(key=place, value=token.id.encode(), if_absent=True, ttl=ttl),
                )
            except CommitRefused:  # somebody was quicker
                continue
            return
        raise TooManyTokens(most=MOST_TOKENS)

    async def _places(self, owner: OwnerId) -> dict[str, str | None]:
        """The keys of the owner's places, and the id of the token that takes each."""
        keys = [access_token_place_key(owner, place) for place in range(MOST_TOKENS)]
        named = await self.key_values.get_many(keys)
        return {key: None if each is None else each.decode() for key, each in zip(keys, named, strict=True)}

    def _id_of(self, text: str) -> str:
        """128 bits of an HMAC (RFC 2104): looked up as a whole, so how long that takes tells nothing of the text."""
        key = hashlib.sha256(b"access-token:" + self.secret.reveal().encode()).digest()
        return hmac.digest(key, text.encode(), "sha256").hex()[:32]


def _may_have_tokens(user: User | None) -> User:
    if user is None:
        raise SignInUnavailable
    if user.is_guest:
        raise GuestsHaveNoTokens
    return user


def _checked_name(text: str) -> str:
    name = text.strip()
    if not name:
        raise ValidationFailed.of("name", "blank")
    if len(name) > MAX_NAME_CHARACTERS:
        raise ValidationFailed.of("name", "too_long", most=MAX_NAME_CHARACTERS)
    if any("\ud800" <= character <= "\udfff" for character in name):
        raise ValidationFailed.of("name", "not_unicode")
    return name


def _expiry(now: datetime, days: int | None, maker: AccessToken | None) -> datetime | None:
    wished = None if days is None else now + timedelta(days=days)
    ends = [end for end in (wished, maker.expires_at if maker else None) if end is not None]
    return min(ends, default=None)


def _read(kept: bytes) -> AccessToken:
    return msgspec.json.decode(kept, type=AccessToken)
