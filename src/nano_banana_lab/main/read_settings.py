"""Read the settings from the environment, and say everything that is wrong with them at once.

A setting is the upper-case name of a field of `Settings`, from the environment or a `.env` file in the working directory.
An empty value means the default.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args, get_origin

import msgspec
from dotenv import dotenv_values
from msgspec import inspect

from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.main.setting_rules import complaints_about
from nano_banana_lab.main.settings import Settings


class SettingsError(ValueError):
    """Some settings are wrong; the message has a line for each, naming it and saying how to mend it."""

    def __init__(self, wrong: list[str]) -> None:
        self.wrong = wrong
        super().__init__("The configuration cannot be used:\n" + "\n".join(f"  - {line}" for line in wrong))


def read_settings(environ: Mapping[str, str] | None = None) -> Settings:
    """The settings from `environ`, by default the process environment over a `.env` file. Raises `SettingsError`."""
    if environ is None:
        environ = _dotenv() | dict(os.environ)
    values, wrong = dict[str, Any](), list[str]()
    for field in msgspec.structs.fields(Settings):
        text = environ.get(field.name.upper(), "").strip()
        if text:
            try:
                values[field.name] = _parse(text, field.type)
            except ValueError as error:
                wrong.append(f"{field.name.upper()}: {error}")
    settings = Settings(**values)
    wrong += complaints_about(settings)
    if wrong:
        raise SettingsError(wrong)
    return settings


def _dotenv() -> dict[str, str]:
    try:
        return {name: value or "" for name, value in dotenv_values(".env", interpolate=False).items()}
    except UnicodeDecodeError as error:
        raise SettingsError([".env: expected a text file in UTF-8"]) from error


def _parse(text: str, type: Any) -> Any:
    """The text as a value of the type; complains without repeating the text, which may be a secret."""
    if not _is_unicode(text):
        raise ValueError("expected text in UTF-8")
    choices = (type, *get_args(type))
    if Secret in choices:
        return Secret(text)
    if Path in choices:
        return Path(text).expanduser()
    value = _list(text) if any(get_origin(choice) is tuple for choice in choices) else text
    try:
        return msgspec.convert(value, type, strict=False)
    except msgspec.ValidationError as error:
        raise ValueError(f"expected {_expected(inspect.type_info(type))}") from error


def _is_unicode(text: str) -> bool:
    """The environment may hold any bytes; what is not UTF-8 among them arrives as surrogates."""
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _expected(kind: inspect.Type) -> str:
    """What may stand in a setting of this kind, in words."""
    match kind:
        case inspect.BoolType():
            return "true or false"
        case inspect.EnumType(cls=choices):
            return "one of " + ", ".join(choice.value for choice in choices)
        case inspect.IntType(ge=least, le=most):
            return "a whole number" + (f" from {least}" if least is not None else "") + (f" to {most}" if most else "")
        case inspect.FloatType(ge=least, le=most):
            return f"a number from {least} to {most}"
        case inspect.VarTupleType(item_type=item):
            return f"a list between commas, each {_expected(item)}"
        case _:
            return "text"


def _list(text: str) -> list[Any]:
    """A JSON list, or words between commas."""
    if text.startswith("["):
        try:
            return msgspec.json.decode(text, type=list[str | int | float])
        except msgspec.DecodeError as error:
            raise ValueError("expected a JSON list or words between commas") from error
    return [word.strip() for word in text.split(",") if word.strip()]
