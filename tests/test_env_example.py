"""`.env.example` is the list of settings that people read, so it says what the code does."""

import re
from pathlib import Path

import msgspec
import pytest

from nano_banana_lab.main.read_settings import read_settings
from nano_banana_lab.main.settings import Settings

EXAMPLE = Path(__file__).parents[1] / ".env.example"
DEFAULTS = {field.name.upper(): field.default for field in msgspec.structs.fields(Settings)}


@pytest.fixture(scope="module")
def shown() -> dict[str, str]:
    """Every setting of the example, commented out or not."""
    lines = re.findall(r"^#?([A-Z][A-Z0-9_]*)=(.*)$", EXAMPLE.read_text(encoding="utf-8"), re.MULTILINE)
    assert len(lines) == len(dict(lines)), "a setting is shown twice"
    return dict(lines)


def test_every_setting_is_shown_and_nothing_else(shown):
    assert sorted(DEFAULTS) == sorted(shown)


def test_every_value_shown_is_the_default(shown):
    assert read_settings({}) == read_settings(shown)


def test_only_settings_without_a_default_are_shown_empty(shown):
    assert {name for name, default in DEFAULTS.items() if default is None} == {
        name for name, value in shown.items() if not value
    }


def test_a_copy_of_the_example_changes_nothing_until_it_is_edited():
    uncommented = [line for line in EXAMPLE.read_text(encoding="utf-8").splitlines() if line and line[0] != "#"]

    assert uncommented == []
