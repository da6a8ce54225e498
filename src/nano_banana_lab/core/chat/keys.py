"""Where chats are kept."""

from nano_banana_lab.core.shared.ids import OwnerId, new_id

PARTS = "chats/"
"""The blobs with the parts of every exchange are under this prefix."""

LEFTOVERS = "chat/leftovers"
"""Index of chats by when their parts may go: a deleted one's at once, else when it expires."""


def conversation_key(owner: OwnerId, id: str) -> str:
    """The value with the whole conversation, without pictures and signatures."""
    return f"chat/{owner}/conversation/{id}"


def session_key(owner: OwnerId, id: str) -> str:
    """The value with what a list shows."""
    return f"chat/{owner}/session/{id}"


def sessions_index(owner: OwnerId) -> str:
    """An owner's chats by their last activity in milliseconds."""
    return f"chat/{owner}/sessions"


def busy_key(owner: OwnerId, id: str) -> str:
    """The lease of the message that is being answered."""
    return f"chat/{owner}/busy/{id}"


def new_parts_key(owner: OwnerId, id: str) -> str:
    """A blob for the parts of an exchange; who knows the address of a picture cannot guess it."""
    return f"{PARTS}{owner}/{id}/{new_id()}.parts"
