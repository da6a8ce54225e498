"""What a web search contributed to a picture."""

import msgspec


class Source(msgspec.Struct, frozen=True, kw_only=True):
    """A web page the model leaned on."""

    uri: str
    title: str


class Grounding(msgspec.Struct, frozen=True, kw_only=True):
    """Queries, pages, and Google's suggestions as HTML, which whoever shows the picture must show unaltered.

    Only for the user who asked (GEMINI.md section 9), so it is kept in that owner's history and nowhere else.
    """

    queries: tuple[str, ...] = ()
    sources: tuple[Source, ...] = ()
    search_suggestions_html: str | None = None
