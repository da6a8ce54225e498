"""Which language a prompt is written in."""

import pytest

from nano_banana_lab.core.prompts.spoken_in import spoken_in


@pytest.mark.parametrize("prompt", ["一只猫", "一只猫，4K", "用 Leica 拍摄的东京夜景", "中国", "㐀㐁", "一只猫🐱。"])
def test_chinese_is_recognised(prompt: str) -> None:
    assert spoken_in(prompt) == "zh"


@pytest.mark.parametrize(
    "prompt",
    [
        "a cat",
        "un chat à Paris",
        "桜の木の下の猫",
        "カメラを持つ猫",
        "고양이 한 마리",
        "古宮의 고양이",
        "рыжий кот",
        "a cat under the sign 东京",
        "🐱",
        "7",
    ],
)
def test_what_may_be_another_language_is_left_to_the_reader(prompt: str) -> None:
    assert spoken_in(prompt) is None
