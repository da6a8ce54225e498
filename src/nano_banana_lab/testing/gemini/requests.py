"""Reading a request as leniently as Google does, and remembering it without its key."""

import base64
import hashlib
import re
from dataclasses import dataclass, field
from typing import Any

_CAMEL = re.compile(r"_([a-z])")
_URL_SAFE = bytes.maketrans(b"-_", b"+/")


@dataclass(kw_only=True, slots=True)
class RecordedRequest:
    """One request as it arrived, in camelCase, each inline picture shown as `sha256:...` and the key as its SHA-256.

    `status` is what was answered; it stays None while the call waits and when the client hung up first.
    """

    method: str
    path: str
    headers: dict[str, str]
    key_sha256: str | None
    body: dict[str, Any]
    status: int | None = None
    hung_up: bool = False

    @property
    def prompt(self) -> str:
        return prompt_of(self.body)


@dataclass(kw_only=True, slots=True)
class ReadBody:
    """A request's JSON in camelCase and, under the id that stands in it, each inline picture's bytes."""

    json: dict[str, Any]
    pictures: dict[str, bytes] = field(default_factory=dict)


def fingerprint(key: str | None) -> str | None:
    """How a key is shown in records."""
    return hashlib.sha256(key.encode()).hexdigest() if key else None


def read_body(parsed: Any) -> ReadBody:
    """Every name in camelCase, every inline picture decoded and replaced by its hash."""
    pictures: dict[str, bytes] = {}
    body = _camel(parsed)
    for content in contents_of(body):
        for part in content.get("parts") or []:
            if inline := part.get("inlineData"):
                data = decoded(inline.get("data", ""))
                inline["data"] = f"sha256:{hashlib.sha256(data).hexdigest()}"
                pictures[inline["data"]] = data
    return ReadBody(json=body, pictures=pictures)


def decoded(text: str) -> bytes:
    """Base64 in the standard or the URL-safe alphabet, padded or not."""
    plain = text.encode().rstrip(b"=").translate(_URL_SAFE)
    return base64.b64decode(plain + b"=" * (-len(plain) % 4), validate=True)


def contents_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    """The turns of a request."""
    return body.get("contents") or []


def prompt_of(body: dict[str, Any]) -> str:
    """The texts of the last user turn."""
    turns = [content for content in contents_of(body) if content.get("role", "user") == "user"]
    parts = turns[-1].get("parts") or [] if turns else []
    return "\n".join(part["text"] for part in parts if part.get("text"))


def instruction_of(body: dict[str, Any]) -> str:
    """The texts of the system instruction."""
    parts = (body.get("systemInstruction") or {}).get("parts") or []
    return "\n".join(part["text"] for part in parts if part.get("text"))


def _camel(value: Any) -> Any:
    if isinstance(value, dict):
        return {_CAMEL.sub(lambda found: found[1].upper(), name): _camel(item) for name, item in value.items()}
    return [_camel(item) for item in value] if isinstance(value, list) else value
