"""What is peculiar to the sketch model: everything that has to do with being looked at."""

import asyncio
import json
import subprocess
import sys
from hashlib import sha256
from io import BytesIO

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from nano_banana_lab.adapters.sketch.drawing import SIMPLIFIED, _Plan, draw_png
from nano_banana_lab.adapters.sketch.image_model import SketchImageModel
from nano_banana_lab.adapters.sketch.input_tiles import EMPTY, MAX_PIXELS
from nano_banana_lab.adapters.sketch.pixel_sizes import ONE_K_PIXELS, pixel_size
from nano_banana_lab.adapters.sketch.typesetting import CUT_MARK, font_of, legible_text
from nano_banana_lab.core.generation.image_request import (
    ImageRequest,
    ImageSettings,
    PicturePart,
    Resolution,
    Role,
    TextPart,
    Turn,
)
from nano_banana_lab.core.shared.errors import ValidationFailed

LONG = ("A quiet harbour at dawn seen from a hill, boats rocking in pale light, and a boy with a kite. " * 22)[:2000]
CHINESE = "一只香蕉宇航员漂浮在地球上空" * 142
RATIOS = list(ONE_K_PIXELS)


def opened(data: bytes) -> Image.Image:
    picture = Image.open(BytesIO(data))
    picture.load()
    return picture


def plain(colour: str, format: str = "PNG") -> bytes:
    file = BytesIO()
    Image.new("RGB", (80, 60), colour).save(file, format)
    return file.getvalue()


def plan(prompt: str, ratio: str = "16:9", inputs: int = 0) -> _Plan:
    return _Plan.of(prompt, ImageSettings(aspect_ratio=ratio), inputs)


@pytest.mark.parametrize("ratio", RATIOS)
@pytest.mark.parametrize("resolution", [Resolution.ONE_K, Resolution.TWO_K])
async def test_the_picture_has_exactly_the_pixels_that_the_real_model_delivers(ratio, resolution):
    asked = ImageSettings(aspect_ratio=ratio, resolution=resolution)

    result = await SketchImageModel().generate(ImageRequest.from_prompt("a kite", asked))

    assert pixel_size(asked) == opened(result.data).size


async def test_costs_nothing_and_says_nothing():
    result = await SketchImageModel().generate(
        ImageRequest.from_prompt("a kite", grounding=True, include_thinking=True)
    )

    assert result.usage.total_tokens == 0
    assert (result.text, result.thinking, result.grounding) == (None, None, None)


async def test_refuses_settings_that_are_not_on_its_card():
    with pytest.raises(ValidationFailed):
        await SketchImageModel().generate(ImageRequest.from_prompt("a kite", ImageSettings(aspect_ratio="8:1")))


async def test_the_same_request_gives_the_same_bytes_from_any_model():
    request = ImageRequest.from_prompt("a kite")

    pictures = await asyncio.gather(*(SketchImageModel().generate(request) for _ in range(3)))

    assert len({picture.data for picture in pictures}) == 1


def test_the_same_request_gives_the_same_bytes_in_another_process():
    script = """
from hashlib import sha256
from nano_banana_lab.adapters.sketch.drawing import draw_png
from nano_banana_lab.core.generation.image_request import ImageSettings
print(sha256(draw_png("a kite", ImageSettings())).hexdigest(), end="")
"""

    there = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout

    assert sha256(draw_png("a kite", ImageSettings())).hexdigest() == there


def test_another_prompt_shape_or_input_gives_another_picture():
    pictures = {
        draw_png("a kite", ImageSettings()),
        draw_png("a boat", ImageSettings()),
        draw_png("a kite", ImageSettings(aspect_ratio="9:16")),
        draw_png("a kite", ImageSettings(), [plain("red")]),
        draw_png("a kite", ImageSettings(), [plain("blue")]),
    }

    assert len(pictures) == 5


@pytest.mark.parametrize("prompt", ["a kite", "", "zwei\nZeilen", CHINESE, "🍌 café", "x" * 100_000])
def test_the_file_carries_the_whole_prompt_and_the_settings(prompt):
    texts = opened(draw_png(prompt, ImageSettings(aspect_ratio="1:1"))).text

    size = {"width": 1024, "height": 1024}
    chosen = {"aspect_ratio": "1:1", "resolution": "1K", "safety_level": "moderate"}
    assert prompt == texts["Description"]
    assert chosen | size == json.loads(texts["Comment"])


def test_the_file_says_that_it_is_a_placeholder():
    texts = opened(draw_png("a kite", ImageSettings())).text

    assert "not made by AI" in texts["Disclaimer"]


@pytest.mark.parametrize("prompt", ["half a pair \ud83c", "a\0b", "\x07\x1b[31m", "\U0010ffff"])
def test_text_that_is_hardly_text_is_drawn_all_the_same(prompt):
    assert opened(draw_png(prompt, ImageSettings())).size == (1376, 768)


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("A plain prompt, 100%!", "A plain prompt, 100%!"),
        ("café, Ünïcödé, Łódź", "cafe, Unicode, Lodz"),
        ("Straße “quoted” \u2014 5 \u00d7 3 €", "Strasse “quoted” - 5 x 3 EUR"),
        ("香蕉", "U+9999 U+8549"),
        ("ярко", "U+044F U+0440 U+043A U+043E"),
        ("a 🍌 and 👩🏽‍🚀", "a [banana] and [woman] [rocket]"),
        ("🇩🇪 x² \uff12 ﷺ", "DE x2 2 U+FDFA"),
        ("one\n\n  two\tthree", "one\ntwo three"),
    ],
)
def test_letters_the_font_lacks_are_written_out(text, shown):
    assert shown == legible_text().of(text)


@settings(max_examples=300, deadline=None)
@given(st.text(st.characters(), max_size=40))
def test_no_text_ever_shows_an_empty_box(text):
    shown = legible_text().of(text)

    assert [letter for letter in shown if letter != "\n" and not legible_text().has(letter)] == []


@pytest.mark.parametrize("letter", ["香", "я", "é", "🍌", "\u0e01", "\U0010ffff"])
def test_the_font_admits_what_it_lacks(letter):
    assert not legible_text().has(letter)


@pytest.mark.parametrize("letter", "AZaz09 .,:;!?()[]{}'\"-+/&%#@_~|<>=*^\\")
def test_the_font_has_every_letter_of_plain_english(letter):
    assert legible_text().has(letter)


@pytest.mark.parametrize("ratio", RATIOS)
def test_every_word_of_a_prompt_of_2000_letters_is_in_the_picture(ratio):
    shown = plan(LONG, ratio).prompt

    assert not shown.cut
    assert LONG.split() == " ".join(shown.lines).split()


@pytest.mark.parametrize("ratio", RATIOS)
def test_a_prompt_that_cannot_fit_is_cut_and_says_so(ratio):
    shown = plan(CHINESE, ratio).prompt

    assert shown.cut
    assert " ".join(shown.lines).endswith(CUT_MARK)


@pytest.mark.parametrize("inputs", [0, 14])
@pytest.mark.parametrize("prompt", ["a kite", LONG, "W" * 3000, "many\nlines\n" * 500])
@pytest.mark.parametrize("ratio", RATIOS)
def test_nothing_is_written_outside_the_panel_and_the_panel_is_inside_the_picture(ratio, prompt, inputs):
    page = plan(prompt, ratio, inputs)

    left, top, right, bottom = page.panel
    widest = max(font_of(page.prompt.size).getlength(line) for line in page.prompt.lines)
    assert 0 < left < right < page.size[0]
    assert 0 < top < bottom < page.size[1]
    assert widest <= right - left - 2 * page.padding


def test_says_when_letters_were_simplified():
    assert SIMPLIFIED in " ".join(plan("香蕉").notes.lines)
    assert SIMPLIFIED not in " ".join(plan("banana").notes.lines)


async def test_shows_small_copies_of_the_input_pictures_in_order():
    colours = [(200, 30, 30), (30, 200, 30), (30, 30, 200)]
    pictures = [PicturePart(data=plain(f"rgb{colour}"), mime_type="image/png") for colour in colours]
    turn = Turn(role=Role.USER, parts=(TextPart(text="blend"), *pictures))

    drawn = opened((await SketchImageModel().generate(ImageRequest(turns=(turn,)))).data)

    page = plan("blend", inputs=3)
    left, top = page.grid_corner
    middles = [
        (left + x + page.grid.side // 2, top + y + page.grid.side // 2) for x, y in map(page.grid.corner, range(3))
    ]
    assert colours == [drawn.getpixel(middle) for middle in middles]


async def test_a_refinement_shows_the_picture_it_starts_from():
    model = SketchImageModel()
    asked = ImageRequest.from_prompt("a red kite")
    answer = Turn(role=Role.MODEL, parts=(await model.generate(asked)).parts)
    refine = Turn(role=Role.USER, parts=(TextPart(text="bluer"),))

    refined = await model.generate(ImageRequest(turns=(*asked.turns, answer, refine)))

    assert draw_png("bluer", ImageSettings(), [answer.parts[0].data]) == refined.data


@pytest.mark.parametrize("broken", [b"", b"no picture", plain("red")[:60], plain("red", "GIF")])
def test_an_input_that_cannot_be_read_becomes_an_empty_frame(broken):
    assert opened(draw_png("edit this", ImageSettings(), [broken])).size == (1376, 768)


def test_an_input_with_too_many_pixels_becomes_an_empty_frame():
    file = BytesIO()
    Image.new("1", (MAX_PIXELS // 1000 + 1, 1000), 1).save(file, "PNG")

    drawn = opened(draw_png("edit this", ImageSettings(), [file.getvalue()]))

    page = plan("edit this", inputs=1)
    assert (
        drawn.getpixel((page.grid_corner[0] + page.grid.side // 2, page.grid_corner[1] + page.grid.side // 2)) == EMPTY
    )


async def test_the_event_loop_goes_on_while_a_large_picture_is_drawn():
    asked = ImageRequest.from_prompt("a kite", ImageSettings(resolution=Resolution.FOUR_K))
    call = asyncio.create_task(SketchImageModel().generate(asked))

    turns = 0
    while not call.done():
        await asyncio.sleep(0)
        turns += 1

    assert turns > 10


async def test_a_cancelled_call_does_not_wait_for_its_drawing():
    model = SketchImageModel(threads=1)
    asked = ImageRequest.from_prompt("a kite", ImageSettings(resolution=Resolution.FOUR_K))
    calls = [asyncio.create_task(model.generate(asked)) for _ in range(3)]
    await asyncio.sleep(0)

    for call in calls:
        call.cancel()
    await asyncio.sleep(0)
    await asyncio.sleep(0)

    assert all(call.cancelled() for call in calls)


def test_pillow_is_imported_only_when_something_is_drawn():
    script = (
        "import sys, nano_banana_lab.adapters.sketch.image_model as sketch;"
        "sketch.SketchImageModel().card; assert 'PIL' not in sys.modules;"
        "import asyncio; asyncio.run(sketch.SketchImageModel().warm_up()); assert 'PIL' in sys.modules"
    )

    subprocess.run([sys.executable, "-c", script], check=True)
