"""What GitHub answers, read strictly enough that nothing odd gets any further."""

from typing import Annotated, TypeVar

import msgspec

from nano_banana_lab.core.identity.user import User, github_folder

_MAX_TEXT_CHARACTERS = 512

_T = TypeVar("_T")


class NoUseError(Exception):
    """GitHub did not answer, or not with what was asked for. Says what kind of failure it was, never what GitHub wrote."""


class Exchanged(msgspec.Struct, frozen=True):
    """The answer to a code: a token, or GitHub's word for what was wrong."""

    access_token: Annotated[str, msgspec.Meta(pattern=r"^[\x21-\x7e]{1,4096}\Z")] | None = None
    error: str | None = None


class Profile(msgspec.Struct, frozen=True):
    """`GET /user`; the e-mail address is only there when the user shows it to everybody."""

    id: Annotated[int, msgspec.Meta(ge=1, le=2**63 - 1)]
    login: Annotated[str, msgspec.Meta(min_length=1, max_length=_MAX_TEXT_CHARACTERS)]
    name: str | None = None
    email: str | None = None
    avatar_url: str | None = None

    def as_user(self, email: str | None) -> User:
        """The user, with an address that was found elsewhere."""
        decimal = str(self.id)
        return User(
            id=decimal,
            login=self.login,
            name=_carried(self.name),
            email=_carried(email),
            avatar_url=_carried(self.avatar_url),
            user_folder_id=github_folder(decimal),
        )


class Email(msgspec.Struct, frozen=True):
    """One of the list that is `GET /user/emails`."""

    email: str
    primary: bool
    verified: bool


def decoded(body: bytes, type: type[_T], where: str) -> _T:
    """The body as JSON of that type. Raises `NoUseError`."""
    try:
        return msgspec.json.decode(body, type=type)
    except (ValueError, RecursionError):  # what msgspec raises, also for bytes that are no text
        pass
    raise NoUseError(f"an answer that makes no sense ({where})")  # outside, or it would carry what could not be read


def _carried(text: str | None) -> str | None:
    """Part of a profile, unless it is empty or too long to be carried in every token."""
    return text if text and len(text) <= _MAX_TEXT_CHARACTERS else None
