"""What the lab asks an image model for."""

from enum import StrEnum

import msgspec

from nano_banana_lab.core.shared.secrets import ApiKey


class Resolution(StrEnum):
    """Nominal size of the longest side; the exact pixels are the model's own (GEMINI.md section 2)."""

    ONE_K = "1K"
    TWO_K = "2K"
    FOUR_K = "4K"


class SafetyLevel(StrEnum):
    """From which likelihood of harm on a model blocks: low, medium, high, or never."""

    STRICT = "strict"
    MODERATE = "moderate"
    RELAXED = "relaxed"
    NONE = "none"


class ImageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """How the picture shall look. `aspect_ratio` is `width:height`; which ones exist depends on the model."""

    aspect_ratio: str = "16:9"
    resolution: Resolution = Resolution.ONE_K
    safety_level: SafetyLevel = SafetyLevel.MODERATE


class TextPart(msgspec.Struct, frozen=True, kw_only=True, tag="text"):
    """A piece of text; `signature` is the model's own mark on a part it made, opaque and never altered."""

    text: str
    signature: bytes | None = None


class PicturePart(msgspec.Struct, frozen=True, kw_only=True, tag="picture"):
    """A picture, byte for byte, with the model's `signature` when the model made it.

    `key` is where the lab keeps the picture, when it does; no model is told.
    """

    data: bytes
    mime_type: str
    signature: bytes | None = None
    key: str | None = None


Part = TextPart | PicturePart


class Role(StrEnum):
    """Who speaks in a turn."""

    USER = "user"
    MODEL = "model"


class Turn(msgspec.Struct, frozen=True, kw_only=True):
    """One message of a conversation, its parts in order."""

    role: Role
    parts: tuple[Part, ...]


class ImageRequest(msgspec.Struct, frozen=True, kw_only=True):
    """A conversation that shall end in a picture; for a plain prompt, one user turn with one text.

    `grounding` lets the model search the web, `include_thinking` asks for its thoughts.
    With an `api_key` this request is paid by that key instead of the lab's own.
    """

    turns: tuple[Turn, ...]
    settings: ImageSettings = ImageSettings()
    grounding: bool = False
    include_thinking: bool = False
    api_key: ApiKey | None = None

    @classmethod
    def from_prompt(
        cls,
        prompt: str,
        settings: ImageSettings | None = None,
        *,
        grounding: bool = False,
        include_thinking: bool = False,
        api_key: ApiKey | None = None,
    ) -> "ImageRequest":
        """The request for a picture from nothing but words."""
        return cls(
            turns=(Turn(role=Role.USER, parts=(TextPart(text=prompt),)),),
            settings=settings or ImageSettings(),
            grounding=grounding,
            include_thinking=include_thinking,
            api_key=api_key,
        )

    @property
    def prompt(self) -> str:
        """The texts of the last user turn, joined by line breaks."""
        last = next((turn for turn in reversed(self.turns) if turn.role is Role.USER), None)
        return "\n".join(part.text for part in last.parts if isinstance(part, TextPart)) if last else ""
