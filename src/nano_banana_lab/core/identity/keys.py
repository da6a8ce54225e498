"""Where sign-in keeps what it must remember."""

import hashlib

from nano_banana_lab.core.shared.ids import OwnerId


def state_key(state: str) -> str:
    """The value of a sign-in that was begun and not yet finished; who reads the store does not learn the state."""
    return f"identity/state/{hashlib.sha256(state.encode()).hexdigest()}"


def revoked_key(token_id: str) -> str:
    """The value that says a token no longer holds, until it would have expired anyway."""
    return f"identity/revoked/{token_id}"


def access_token_key(token_id: str) -> str:
    """The value of an access token, by the keyed hash of its text."""
    return f"identity/token/{token_id}"


def access_token_place_key(owner: OwnerId, place: int) -> str:
    """The value that names the token which takes this place of the owner's; there are so many places and no more."""
    return f"identity/tokens/{owner}/{place}"
