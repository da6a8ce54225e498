"""Successful answers that say something to people."""

from typing import TypeVar

from litestar import Response

from nano_banana_lab.http.messages import Language

CONTENT_LANGUAGE = "Content-Language"
"""Of an answer with this header the envelope says that it differs by `Accept-Language`."""

T = TypeVar("T")


def in_language(language: Language, body: T) -> Response[T]:
    """The answer, marked as being in this language."""
    return Response(body, headers={CONTENT_LANGUAGE: language})
