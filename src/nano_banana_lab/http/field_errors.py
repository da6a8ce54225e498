"""Say which field is wrong and how, from what msgspec and Litestar complain about."""

import re
from collections.abc import Iterator
from typing import Any, get_args

import msgspec
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from msgspec import inspect

from nano_banana_lab.core.shared.errors import FieldError, ValidationFailed

JSON_TYPES = {"str": "string", "int": "integer", "float": "number", "bool": "boolean", "bytes": "string"}

MAX_BYTES_TO_EXPLAIN = 65_536

MAX_MARKS = 100_000
"""Braces, brackets or commas. Pictures in base64 have none, and each may become an object of a hundred times its size."""

_PATH = re.compile(r" - at `\$\.?(.*?)`$")
_PATTERNS: list[tuple[re.Pattern[str], str]] = [
    (re.compile(r"Object missing required field `(?P<missing>.+)`"), "missing"),
    (re.compile(r"Missing required .*"), "missing"),
    (re.compile(r"Invalid enum value .*"), "unknown_choice"),
    (re.compile(r"Expected `(?:int|float)` >= (?P<least>.+)"), "too_small"),
    (re.compile(r"Expected `(?:int|float)` <= (?P<most>.+)"), "too_large"),
    (re.compile(r"Expected `str` of length >= (?P<least>.+)"), "too_short"),
    (re.compile(r"Expected `str` of length <= (?P<most>.+)"), "too_long"),
    (re.compile(r"Expected `array` of length >= (?P<least>.+)"), "too_few"),
    (re.compile(r"Expected `array` of length <= (?P<most>.+)"), "too_many"),
    (re.compile(r"Invalid RFC3339 encoded datetime"), "bad_time"),
    (re.compile(r"Expected `(?P<expected>.+)`, got `(?P<got>.+)`"), "wrong_type"),
]


def decode_json(body: bytes, wanted: Any, *, whole: str = "body") -> Any:
    """The body as the type, strictly: no text is taken for a number. Raises `ValidationFailed` naming every field.

    `whole` is what it is called when no single field of it is wrong.
    """
    if len(body) > MAX_BYTES_TO_EXPLAIN and any(body.count(mark) > MAX_MARKS for mark in (b"{", b"[", b",")):
        raise ValidationFailed.of(whole, "too_many", most=MAX_MARKS)
    try:
        try:
            return msgspec.json.decode(body, type=wanted)
        except msgspec.ValidationError as error:  # perhaps before its end was read, which may be no JSON at all
            raise ValidationFailed(_all_errors(body, wanted) or [_first_error(error, wanted, whole)]) from error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValidationFailed.of(whole, "invalid_json") from error


def explain(message: str, wanted: Any = None, *, field: str = "") -> FieldError:
    """One complaint of msgspec about a value of the type, as a field error; `field` is where the value stands."""
    path = _PATH.search(message)
    inner = re.sub(r"\[(\d+)\]", r".\1", path[1]).strip(".") if path else ""
    complaint = message[: path.start()] if path else message
    for pattern, kind in _PATTERNS:
        if found := pattern.fullmatch(complaint):
            limits: dict[str, str | int] = {name: _plain(value) for name, value in found.groupdict().items()}
            missing = str(limits.pop("missing", ""))
            if kind == "unknown_choice":
                limits["choices"] = ", ".join(_choices(wanted, inner))
            return FieldError(field=_joined(field, inner, missing), type=kind, limits=limits)
    return FieldError(field=_joined(field, inner), type="invalid")


def from_litestar(error: HTTPException, route: BaseRouteHandler | None) -> list[FieldError]:
    """What Litestar found wrong with path, query and headers of a request to this route."""
    extra: Any = error.extra
    if not isinstance(extra, list) or route is None:
        return [explain(error.detail, field=_named_in(error.detail))]
    return [_from_extra(each["message"], each.get("key", ""), route) for each in extra]


def _from_extra(message: str, key: str, route: BaseRouteHandler) -> FieldError:
    if key == "data":
        return FieldError(field="body", type="missing")
    parameter = route.parsed_fn_signature.parameters.get(key)
    return explain(message, parameter.annotation if parameter else None, field=key)


def _first_error(error: msgspec.ValidationError, wanted: Any, whole: str) -> FieldError:
    found = explain(str(error), wanted)
    return found if found.field else msgspec.structs.replace(found, field=whole)


def _all_errors(body: bytes, wanted: Any) -> list[FieldError]:
    """A decoder stops at the first complaint; ask it about each field on its own. Not worth it for a huge body."""
    if len(body) > MAX_BYTES_TO_EXPLAIN:
        return []
    raw = msgspec.json.decode(body)
    if not isinstance(raw, dict) or not (isinstance(wanted, type) and issubclass(wanted, msgspec.Struct)):
        return []
    return list(_field_by_field(raw, wanted))


def _field_by_field(raw: dict[str, Any], struct: type[msgspec.Struct]) -> Iterator[FieldError]:
    for field in msgspec.structs.fields(struct):
        if field.encode_name not in raw:
            if field.required:
                yield FieldError(field=field.encode_name, type="missing")
            continue
        value = raw[field.encode_name]
        if isinstance(value, dict) and (nested := _struct_in(field.type)):
            for each in _field_by_field(value, nested):
                yield msgspec.structs.replace(each, field=_joined(field.encode_name, each.field))
            continue
        try:
            msgspec.convert(value, field.type)
        except msgspec.ValidationError as error:
            yield explain(str(error), field.type, field=field.encode_name)


def _struct_in(annotation: Any) -> type[msgspec.Struct] | None:
    candidates = (annotation, *get_args(annotation))
    return next((each for each in candidates if isinstance(each, type) and issubclass(each, msgspec.Struct)), None)


def _choices(annotation: Any, path: str) -> list[str]:
    """The values of the enum that stands at this path of the type."""
    info = inspect.type_info(annotation) if annotation is not None else None
    for step in [*filter(None, path.split(".")), None]:
        if isinstance(info, inspect.UnionType):
            info = next((each for each in info.types if not isinstance(each, inspect.NoneType)), None)
        if isinstance(info, inspect.StructType) and step:
            info = next((field.type for field in info.fields if field.encode_name == step), None)
        elif isinstance(info, inspect.ListType | inspect.VarTupleType) and step:
            info = info.item_type
    if isinstance(info, inspect.EnumType):
        return [str(member.value) for member in info.cls if member.value]
    return [str(value) for value in info.values] if isinstance(info, inspect.LiteralType) else []


def _joined(*parts: str) -> str:
    return ".".join(part for part in parts if part)


def _plain(text: str) -> str | int:
    if text.isdigit():
        return int(text)
    return " or ".join(JSON_TYPES.get(part, part) for part in text.split(" | "))


def _named_in(detail: str) -> str:
    found = re.search(r"parameter '?([\w-]+)", detail)
    return found[1] if found else ""
