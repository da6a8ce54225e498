"""A chat as a document to keep."""

from nano_banana_lab.core.chat.conversation import Conversation


def as_markdown(conversation: Conversation, picture_urls: dict[str, str]) -> str:
    """For people; `picture_urls` are by the pictures' ids, and what is not among them was deleted."""
    session = conversation.session
    lines = [f"# {_inline(session.title) or 'Chat'}", "", f"Begun {session.created_at:%Y-%m-%d %H:%M} UTC.", ""]
    for exchange in conversation.exchanges:
        lines += ["## User", "", *_quoted(exchange.message), "", "## Assistant", ""]
        if exchange.text:
            lines += [*_quoted(exchange.text), ""]
        url = picture_urls.get(exchange.picture_id)
        lines += [f"![Picture {exchange.picture_id}]({url})" if url else "*This picture was deleted.*", ""]
    return "\n".join(lines)


def _quoted(text: str) -> list[str]:
    """As a quotation, line by line, so that nothing in it can pass for our own headings."""
    return [f"> {line}".rstrip() for line in text.splitlines()]


def _inline(text: str) -> str:
    return " ".join(text.split())
