"""Errors, secrets, times and ids."""

import copy
import pickle
import string
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_banana_lab.core.generation.image_request import ImageRequest
from nano_banana_lab.core.generation.ports import ContentBlocked, UpstreamTimeout
from nano_banana_lab.core.shared.clock import SystemClock, from_milliseconds, milliseconds
from nano_banana_lab.core.shared.errors import FIELD_SENTENCES, FieldError, ValidationFailed
from nano_banana_lab.core.shared.ids import is_id, new_id
from nano_banana_lab.core.shared.secrets import ApiKey, Secret


def test_an_error_speaks_its_sentence_with_its_details() -> None:
    error = UpstreamTimeout(timeout_seconds=180)

    assert str(error) == "The image service did not answer within 180 seconds."
    assert error.details == {"timeout_seconds": 180}


def test_an_error_without_its_details_is_still_an_error() -> None:
    assert "safety filter" in str(ContentBlocked())
    assert ContentBlocked(reason=None).details == {}


def test_validation_errors_name_every_field() -> None:
    error = ValidationFailed(
        [FieldError(field="a", type="blank"), FieldError(field="b", type="too_long", limits={"most": 5})]
    )

    assert str(error) == "a: This field must not be empty. b: At most 5 characters are allowed."


@pytest.mark.parametrize("kind", FIELD_SENTENCES)
def test_every_field_sentence_can_be_filled(kind: str) -> None:
    names = [name for _, name, _, _ in string.Formatter().parse(FIELD_SENTENCES[kind]) if name]
    message = FieldError(field="x", type=kind, limits=dict.fromkeys(names, 7)).message

    assert "{" not in message
    assert message.endswith((".", "7."))


@pytest.mark.parametrize("kind", [Secret, ApiKey])
def test_a_secret_is_never_printed(kind: type[Secret]) -> None:
    secret = kind("hunter2hunter2")

    assert "hunter2" not in f"{secret} {secret!r} {[secret]} {ImageRequest.from_prompt('x', api_key=ApiKey('hunter2'))}"
    assert secret.reveal() == "hunter2hunter2"


@pytest.mark.parametrize("serialise", [msgspec.json.encode, msgspec.msgpack.encode, pickle.dumps, copy.deepcopy])
@pytest.mark.parametrize("kind", [Secret, ApiKey])
def test_a_secret_cannot_be_serialised(kind: type[Secret], serialise: Any) -> None:
    with pytest.raises(TypeError):
        serialise({"key": kind("hunter2hunter2")})


def test_a_request_with_a_key_cannot_be_written_down_by_accident() -> None:
    with pytest.raises(TypeError):
        msgspec.json.encode(ImageRequest.from_prompt("x", api_key=ApiKey("hunter2hunter2")))


def test_secrets_are_equal_by_kind_and_text() -> None:
    assert Secret("a") == Secret("a") != Secret("b")
    assert Secret("a") != ApiKey("a")
    assert len({ApiKey("a"), ApiKey("a"), Secret("a")}) == 2


@given(st.integers(-(10**13), 10**14))
def test_milliseconds_survive_the_way_there_and_back(since_epoch: int) -> None:
    assert milliseconds(from_milliseconds(since_epoch)) == since_epoch


def test_milliseconds_know_time_zones() -> None:
    there = datetime(2026, 11, 22, 15, 3, 5, 120_000, timezone(timedelta(hours=1)))

    assert from_milliseconds(milliseconds(there)) == there
    assert from_milliseconds(milliseconds(there)).tzinfo is UTC


def test_the_hosts_clock_is_in_utc() -> None:
    assert SystemClock().now().utcoffset() == timedelta(0)


def test_ids_are_unique_and_known_by_their_shape() -> None:
    ids = {new_id() for _ in range(1000)}

    assert len(ids) == 1000
    assert all(is_id(each) for each in ids)


@pytest.mark.parametrize("text", ["", "abc", "A" * 32, "g" * 32, "0" * 31, "0" * 33, "0" * 32 + "\n", "\u0660" * 32])
def test_what_cannot_be_an_id_is_told_apart(text: str) -> None:
    assert not is_id(text)
