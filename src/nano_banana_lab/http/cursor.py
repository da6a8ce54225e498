"""Cursors: opaque to clients, and accepted only when this lab issued them for the same order."""

import base64
import binascii
import hashlib
import hmac

import msgspec

from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.core.storage.ports import Entry

_MARK_BYTES = 9


class Cursors:
    """Signs an index entry together with what the list is sorted by."""

    def __init__(self, secret: Secret) -> None:
        self._key = hashlib.sha256(b"cursor:" + secret.reveal().encode()).digest()

    def issue(self, entry: Entry, *, sort: str) -> str:
        """The text from which `read` gets the entry back."""
        payload = msgspec.json.encode((entry.score, entry.member))
        return base64.urlsafe_b64encode(self._mark(payload, sort) + payload).decode().rstrip("=")

    def read(self, cursor: str, *, sort: str) -> Entry:
        """The entry. Raises `ValidationFailed` for a text that was not issued for this sort order."""
        try:
            padded = cursor.encode("ascii") + b"=" * (-len(cursor) % 4)
            raw = base64.b64decode(padded, altchars=b"-_", validate=True)
        except (binascii.Error, UnicodeEncodeError):
            raw = b""
        mark, payload = raw[:_MARK_BYTES], raw[_MARK_BYTES:]
        if not hmac.compare_digest(mark, self._mark(payload, sort)):
            raise ValidationFailed.of("cursor", "bad_cursor")
        return Entry(*msgspec.json.decode(payload, type=tuple[int, str]))

    def _mark(self, payload: bytes, sort: str) -> bytes:
        return hmac.digest(self._key, sort.encode() + b"\0" + payload, "sha256")[:_MARK_BYTES]
