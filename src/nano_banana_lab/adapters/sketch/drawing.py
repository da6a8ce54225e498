"""Draws the placeholder picture. Imports Pillow, so it is itself imported only where drawing happens."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from math import sqrt

from PIL import Image, ImageDraw
from PIL.PngImagePlugin import PngInfo

from nano_banana_lab.adapters.sketch.input_tiles import TileGrid, paste_tiles
from nano_banana_lab.adapters.sketch.pixel_sizes import ONE_K_PIXELS, pixel_size
from nano_banana_lab.adapters.sketch.scenery import LIGHT, palette_for, scenery
from nano_banana_lab.adapters.sketch.typesetting import SetText, font_of, legible_text, typeset
from nano_banana_lab.core.generation.image_request import ImageSettings, Resolution

LABEL = "PLACEHOLDER  -  not made by AI"
SIMPLIFIED = "This font has basic Latin only: other letters are simplified, or shown by name or code point."

_MUTED = 196
_MORE_THAN_FITS = 10_000  # characters: longer prompts are cut in any case, and need not be measured
_PANEL_SHADES = [10 + shade // 8 for shade in range(256)]
_ROOMY, _TIGHT = (54, 46, 40, 34, 30), (30, 27, 24, 21, 19, 17)


def draw_png(prompt: str, settings: ImageSettings, inputs: Sequence[bytes] = ()) -> bytes:
    """A PNG of exactly the size the settings ask for; the same arguments give the same bytes.

    The prompt and the settings can be read in the picture, and in full in the file's text chunks (iTXt, UTF-8):
    `Description`, `Comment` (JSON), `Disclaimer` and `Software`. `inputs` appear as small copies, in order.
    """
    plan = _Plan.of(prompt, settings, len(inputs))
    canvas = _background(prompt, settings)
    _darken(canvas, plan)
    _write(canvas, plan)
    canvas.putpalette(palette_for(prompt))
    if inputs:
        canvas = canvas.convert("RGB")
        paste_tiles(canvas, inputs, plan.grid, plan.grid_corner)
    return _encoded(canvas, prompt, settings)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Plan:
    """What goes into the panel, in pixels: label, prompt, input pictures, notes, one below the other."""

    size: tuple[int, int]
    margin: int
    padding: int
    label: int
    prompt: SetText
    grid: TileGrid
    notes: SetText

    @classmethod
    def of(cls, prompt: str, settings: ImageSettings, inputs: int) -> "_Plan":
        width, height = pixel_size(settings)
        unit = sqrt(width * height) / 1000
        margin, padding, label = round(32 * unit), round(28 * unit), round(46 * unit)
        inner = width - 2 * (margin + padding)
        legible = legible_text().of(prompt[:_MORE_THAN_FITS])
        grid = TileGrid.of(
            inputs, width=inner, largest=round((150 if inputs <= 7 else 96) * unit), gap=round(12 * unit)
        )
        notes = typeset(_notes(prompt, legible, settings, inputs), width=inner, height=height, sizes=[round(19 * unit)])
        taken = 2 * margin + 4 * padding + label + grid.height + notes.height
        text = _set_prompt(legible, inner, height - taken, unit)
        return cls(
            size=(width, height), margin=margin, padding=padding, label=label, prompt=text, grid=grid, notes=notes
        )

    @property
    def left(self) -> int:
        return self.margin + self.padding

    @property
    def top(self) -> int:
        """Of the panel, which ends at the lower margin."""
        content = self.label + self.prompt.height + self.grid.height + self.notes.height
        return self.size[1] - self.margin - 4 * self.padding - content

    @property
    def panel(self) -> tuple[int, int, int, int]:
        return self.margin, self.top, self.size[0] - self.margin, self.size[1] - self.margin

    @property
    def label_corner(self) -> tuple[int, int]:
        return self.left, self.top + self.padding

    @property
    def prompt_corner(self) -> tuple[int, int]:
        return self.left, self.label_corner[1] + self.label + self.padding

    @property
    def grid_corner(self) -> tuple[int, int]:
        return self.left, self.prompt_corner[1] + self.prompt.height + self.padding // 2

    @property
    def notes_corner(self) -> tuple[int, int]:
        return self.left, self.size[1] - self.margin - self.padding - self.notes.height


def _set_prompt(legible: str, width: int, height: int, unit: float) -> SetText:
    """In large letters when they leave most of the scenery free, else as large as the whole picture allows."""
    roomy = typeset(legible, width=width, height=int(height * 0.55), sizes=[round(size * unit) for size in _ROOMY])
    if not roomy.cut:
        return roomy
    return typeset(legible, width=width, height=height, sizes=[round(size * unit) for size in _TIGHT])


def _notes(prompt: str, legible: str, settings: ImageSettings, inputs: int) -> str:
    width, height = pixel_size(settings)
    facts = [settings.aspect_ratio, settings.resolution.value, f"{width} x {height} pixels"]
    facts += [f"safety {settings.safety_level.value}"]
    facts += [f"{inputs} input picture{'s' if inputs > 1 else ''}"] if inputs else []
    simplified = prompt[:_MORE_THAN_FITS].split() != legible.split()
    return " · ".join(facts) + (f"\n{SIMPLIFIED}" if simplified else "")


def _background(prompt: str, settings: ImageSettings) -> Image.Image:
    """The scenery, drawn at twice the 1K size whatever the resolution: edges are smooth at 1K, and 4K is quick."""
    width, height = ONE_K_PIXELS[settings.aspect_ratio]
    drawn = scenery(prompt, (2 * width, 2 * height))
    match settings.resolution:
        case Resolution.ONE_K:
            return drawn.reduce(2)
        case Resolution.TWO_K:
            return drawn
        case Resolution.FOUR_K:
            return drawn.resize(pixel_size(settings), Image.Resampling.BICUBIC)


def _darken(canvas: Image.Image, plan: _Plan) -> None:
    """The panel: the scenery shows through as a hint, and light letters on it stay easy to read."""
    behind = canvas.crop(plan.panel)
    mask = Image.new("L", behind.size, 0)
    ImageDraw.Draw(mask).rounded_rectangle((0, 0, behind.width - 1, behind.height - 1), radius=plan.padding, fill=255)
    canvas.paste(behind.point(_PANEL_SHADES), plan.panel[:2], mask)


def _write(canvas: Image.Image, plan: _Plan) -> None:
    brush = ImageDraw.Draw(canvas)
    _write_label(brush, plan)
    _write_lines(brush, plan.prompt, plan.prompt_corner, shade=LIGHT)
    _write_lines(brush, plan.notes, plan.notes_corner, shade=_MUTED)


def _write_label(brush: ImageDraw.ImageDraw, plan: _Plan) -> None:
    font = font_of(plan.label // 2)
    (left, top), round_end = plan.label_corner, plan.label // 2
    right = left + round(font.getlength(LABEL)) + 2 * round_end
    brush.rounded_rectangle((left, top, right, top + plan.label), radius=round_end, fill=LIGHT)
    brush.text((left + round_end, top + round_end), LABEL, font=font, fill=0, anchor="lm")


def _write_lines(brush: ImageDraw.ImageDraw, text: SetText, corner: tuple[int, int], *, shade: int) -> None:
    left, top = corner
    for nth, line in enumerate(text.lines):
        brush.text((left, top + nth * text.line_height), line, font=font_of(text.size), fill=shade)


def _encoded(canvas: Image.Image, prompt: str, settings: ImageSettings) -> bytes:
    chunks = PngInfo()
    for keyword, text in (
        ("Software", "Nano Banana Lab, model sketch"),
        ("Disclaimer", LABEL),
        ("Description", prompt),
        ("Comment", json.dumps(_described(settings))),
    ):
        chunks.add_itxt(keyword, text.replace("\0", "\ufffd").encode("utf-8", "replace").decode())
    file = BytesIO()
    canvas.save(file, "PNG", compress_level=1, pnginfo=chunks)
    return file.getvalue()


def _described(settings: ImageSettings) -> dict[str, str | int]:
    width, height = pixel_size(settings)
    return {
        "aspect_ratio": settings.aspect_ratio,
        "resolution": settings.resolution.value,
        "safety_level": settings.safety_level.value,
        "width": width,
        "height": height,
    }
