"""Where sign-in keeps what it must remember."""

import hashlib


def state_key(state: str) -> str:
    """The value of a sign-in that was begun and not yet finished; who reads the store does not learn the state."""
    return f"identity/state/{hashlib.sha256(state.encode()).hexdigest()}"


def revoked_key(token_id: str) -> str:
    """The value that says a token no longer holds, until it would have expired anyway."""
    return f"identity/revoked/{token_id}"
