"""What `generate` was asked for, and the commission that it comes to."""

from collections.abc import Callable, Sequence
from typing import Any

import click
import msgspec

from nano_banana_lab.core.generation.blend_images import blend_images
from nano_banana_lab.core.generation.commission import Commission
from nano_banana_lab.core.generation.generate_image import generate_image
from nano_banana_lab.core.generation.image_request import ImageSettings
from nano_banana_lab.core.generation.input_pictures import InputPicture
from nano_banana_lab.core.generation.search_and_generate import search_and_generate
from nano_banana_lab.core.generation.transfer_style import transfer_style
from nano_banana_lab.core.history.find_pictures import FindPictures
from nano_banana_lab.core.shared.ids import OwnerId
from nano_banana_lab.main.commands.input_files import named_picture, named_pictures
from nano_banana_lab.main.commands.options import with_options

_OPTIONS = (
    click.option("--search", is_flag=True, help="Let the model search the web first."),
    click.option("--search-context", metavar="TEXT", help="What to search for; implies --search."),
    click.option(
        "--image",
        "images",
        multiple=True,
        metavar="FILE|KEY",
        help="A picture to work from: a file, or one from the history by its key or id. "
        "2 to 14, in this order, are blended; one is drawn anew in a style.",
    ),
    click.option("--style", metavar="TEXT", help="Draw the picture anew in this style."),
    click.option("--style-image", metavar="FILE|KEY", help="Draw the picture anew in the style of this one."),
    click.option("--thinking", is_flag=True, help="Also show the model's thoughts; they cost the same either way."),
)


class Wish(msgspec.Struct, frozen=True, kw_only=True):
    """What the options of `generate` say together."""

    prompt: str | None = None
    search: bool = False
    search_context: str | None = None
    images: tuple[str, ...] = ()
    style: str | None = None
    style_image: str | None = None
    thinking: bool = False

    @property
    def searches(self) -> bool:
        """Whether the web shall be asked."""
        return self.search or self.search_context is not None

    @property
    def styles(self) -> bool:
        """Whether a picture shall be drawn anew."""
        return self.style is not None or self.style_image is not None

    def check(self) -> None:
        """Raise `click.UsageError` for what does not go together, before anything is read or opened."""
        if self.searches and (self.images or self.styles):
            raise click.UsageError("--search makes a picture from words alone, without --image and --style.")
        if self.styles and len(self.images) != 1:
            raise click.UsageError("A style is for exactly one --image.")
        if len(self.images) == 1 and not self.styles:
            raise click.UsageError(
                "One --image needs --style or --style-image; to change a picture in words, attach it in `chat`."
            )
        if self.prompt is None and not self.images:
            raise click.UsageError("Missing argument 'PROMPT': say what to make.")

    async def commission(self, find: FindPictures, owner: OwnerId, look: ImageSettings) -> Commission:
        """Raises `ValidationFailed` for bad words, and what `named_picture` raises."""
        made = self._of(await named_pictures(find, owner, self.images), await self._style(find, owner), look)
        return msgspec.structs.replace(made, include_thinking=self.thinking)

    async def _style(self, find: FindPictures, owner: OwnerId) -> InputPicture | None:
        return None if self.style_image is None else await named_picture(find, owner, self.style_image)

    def _of(self, pictures: Sequence[InputPicture], style: InputPicture | None, look: ImageSettings) -> Commission:
        if self.styles:
            words = [text for text in (self.style, self.prompt) if text is not None]
            return transfer_style(pictures[0], look, style=style, prompt="\n".join(words) if words else None)
        if pictures:
            return blend_images(pictures, look, prompt=self.prompt)
        if self.searches:
            return search_and_generate(self.prompt or "", look, search_context=self.search_context)
        return generate_image(self.prompt or "", look)


def wish_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """The options that make a `Wish`, by the names of its fields."""
    return with_options(command, _OPTIONS)
