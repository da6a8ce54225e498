"""Whose key pays when the header is there more than once, or empty."""

from typing import Any

import pytest


@pytest.mark.parametrize("keys", [["one", "two"], ["one", "one"], ["one", ""], ["", ""]], ids=str)
async def test_of_several_keys_none_is_picked(refusing: Any, wrong_fields: Any, keys: list[str]) -> None:
    response = await refusing.get("/api/quota", headers=[("X-API-Key", key) for key in keys])

    assert wrong_fields(response) == [("X-API-Key", "sent_twice")]
    assert response.json()["detail"] == "X-API-Key: Send this header once."


@pytest.mark.parametrize("key", ["", " ", "\t"], ids=repr)
async def test_an_empty_key_is_none(service: Any, key: str) -> None:
    response = await service.client.post("/api/generate", json={"prompt": "x"}, headers={"X-API-Key": key})

    assert (response.status_code, len(service.model.requests), service.keyed.requests) == (200, 1, [])
