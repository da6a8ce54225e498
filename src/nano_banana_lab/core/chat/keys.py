"""Where chats are kept."""

from nano_banana_lab.core.shared.ids import OwnerId

PARTS = "chats/"
"""The blobs with the parts of every exchange are under this prefix."""

LEFTOVERS = "chat/leftovers"
"""Index of chats, as `leftover` names them, by when their parts may go: a deleted one's at once, else when it expires."""


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


def leftover(owner: OwnerId, id: str) -> str:
    """A chat as a member of `LEFTOVERS`."""
    return f"{owner}/{id}"


def chat_of(leftover: str) -> tuple[OwnerId, str]:
    """The inverse: whose chat, and its id; also of a path that goes on behind that."""
    owner, session_id = (*leftover.split("/"), "")[:2]
    return OwnerId(owner), session_id


def parts_folder(owner: OwnerId, id: str) -> str:
    """Under which all parts of a chat are."""
    return f"{PARTS}{owner}/{id}/"


def parts_key(owner: OwnerId, id: str, picture_id: str) -> str:
    """The blob with the parts of the exchange that made this picture."""
    return f"{parts_folder(owner, id)}{picture_id}.parts"
