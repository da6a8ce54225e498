"""Small copies of the pictures that came with a request, numbered, in rows."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO

from PIL import Image, ImageDraw, ImageOps

from nano_banana_lab.adapters.sketch.typesetting import font_of

MAX_PIXELS = 50_000_000
"""A larger input picture is shown as an empty frame instead of being unpacked."""
EMPTY = (70, 70, 70)
"""The colour of an empty frame."""

_PER_ROW = 7
_FRAME = (255, 255, 255)


@dataclass(frozen=True, kw_only=True, slots=True)
class TileGrid:
    """Square tiles in rows; all lengths in pixels."""

    count: int
    side: int
    gap: int
    per_row: int

    @classmethod
    def of(cls, count: int, *, width: int, largest: int, gap: int) -> "TileGrid":
        """As many per row as fit in `width`, which are at most seven."""
        per_row = max(1, min(count, _PER_ROW))
        return cls(count=count, side=min(largest, width // per_row - gap), gap=gap, per_row=per_row)

    @property
    def height(self) -> int:
        return -(-self.count // self.per_row) * (self.side + self.gap)

    def corner(self, nth: int) -> tuple[int, int]:
        """Left and top of a tile, counted from the corner of the grid."""
        row, column = divmod(nth, self.per_row)
        return column * (self.side + self.gap), row * (self.side + self.gap)


def paste_tiles(canvas: Image.Image, inputs: Sequence[bytes], grid: TileGrid, corner: tuple[int, int]) -> None:
    """Draw every input picture into its tile; one that cannot be read becomes an empty frame."""
    brush = ImageDraw.Draw(canvas)
    for nth, data in enumerate(inputs):
        left, top = (start + offset for start, offset in zip(corner, grid.corner(nth), strict=True))
        canvas.paste(_tile(data, grid.side), (left, top))
        brush.rectangle((left, top, left + grid.side - 1, top + grid.side - 1), outline=_FRAME, width=grid.gap // 6)
        _write_number(brush, nth + 1, (left, top), grid)


def _tile(data: bytes, side: int) -> Image.Image:
    try:
        with Image.open(BytesIO(data), formats=("PNG", "JPEG", "WEBP")) as picture:
            if picture.width * picture.height <= MAX_PIXELS:
                picture.draft("RGB", (side, side))
                return ImageOps.fit(picture.convert("RGB"), (side, side))
    except Exception:  # noqa: BLE001, S110  # whatever is wrong with an input, the sketch shows that it was there
        pass
    return Image.new("RGB", (side, side), EMPTY)


def _write_number(brush: ImageDraw.ImageDraw, number: int, corner: tuple[int, int], grid: TileGrid) -> None:
    letters = max(grid.side // 6, 10)
    left, top = corner
    brush.rectangle((left, top, left + round(letters * 1.5), top + round(letters * 1.4)), fill=_FRAME)
    centre = (left + round(letters * 0.75), top + round(letters * 0.7))
    brush.text(centre, str(number), font=font_of(letters), fill=(0, 0, 0), anchor="mm")
