"""Thought signatures: issued for one key, one model and one part, and worthless anywhere else (GEMINI.md section 3)."""

import hashlib
import hmac
import secrets

_SECRET = secrets.token_bytes(32)
_NONCE = 16


def issue(key: str, model: str, content: bytes) -> bytes:
    """A signature for a part that says or shows `content`."""
    nonce = secrets.token_bytes(_NONCE)
    return nonce + _digest(nonce, key, model, content)


def holds(signature: bytes, key: str, model: str, content: bytes) -> bool:
    """Whether this very signature was issued here for this key, model and content."""
    nonce = signature[:_NONCE]
    return hmac.compare_digest(signature, nonce + _digest(nonce, key, model, content))


def _digest(nonce: bytes, key: str, model: str, content: bytes) -> bytes:
    parts = (nonce, key.encode(), model.encode(), hashlib.sha256(content).digest())
    return hmac.digest(_SECRET, b"\0".join(parts), "sha256")
