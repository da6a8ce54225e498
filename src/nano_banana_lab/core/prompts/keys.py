"""Where an owner's prompts are kept."""

from nano_banana_lab.core.shared.ids import OwnerId


def prompt_key(owner: OwnerId, id: str) -> str:
    """The value of a prompt of the owner's own."""
    return f"prompts/{owner}/own/{id}"


def own_index(owner: OwnerId) -> str:
    """The owner's own prompts by when they were kept (milliseconds)."""
    return f"prompts/{owner}/own"


def favorite_key(owner: OwnerId, id: str) -> str:
    """The value that is there while a prompt, own or built in, is the owner's favourite."""
    return f"prompts/{owner}/favorite/{id}"


def favorites_index(owner: OwnerId) -> str:
    """The owner's favourites by since when they are (milliseconds)."""
    return f"prompts/{owner}/favorites"
