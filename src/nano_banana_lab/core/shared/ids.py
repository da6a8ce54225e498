"""Names the lab gives to things."""

import re
import secrets
from typing import NewType

OwnerId = NewType("OwnerId", str)
"""Whose something is: `anonymous`, a GitHub user's `user_folder_id`, or a guest's id.

Lower-case letters, digits and `-`; it is the folder of the owner's pictures and part of every key.
"""

ANONYMOUS = OwnerId("anonymous")
"""The single owner of a lab that asks nobody to sign in."""

_ID = re.compile(r"[0-9a-f]{32}")


def new_id() -> str:
    """128 random bits in 32 lower-case hex digits: unguessable and unique without asking anybody."""
    return secrets.token_hex(16)


def is_id(text: str) -> bool:
    """Whether `text` could have come from `new_id`; what could not need not be looked up."""
    return _ID.fullmatch(text) is not None
