"""Deleting pictures over HTTP."""

from typing import Any

import pytest


async def test_deleting_one_says_so_and_leaves_nothing(service: Any, is_problem: Any) -> None:
    made = await service.generated()
    await service.client.get(made["image"]["thumbnail_url"])
    response = await service.client.delete(f"/api/history/{made['id']}")

    assert response.status_code == 200
    assert response.json() == {"success": True, "deleted_count": 1, "message": "Deleted 1 picture."}
    assert [blob async for blob in service.blobs.list("")] == []
    for path in ("", "/image", "/image?size=thumb"):
        is_problem(await service.client.get(f"/api/history/{made['id']}{path}"), 404, "image_not_found")


async def test_deleting_twice_is_not_found(service: Any, is_problem: Any) -> None:
    made = await service.generated()
    await service.client.delete(f"/api/history/{made['id']}")

    is_problem(await service.client.delete(f"/api/history/{made['id']}"), 404, "image_not_found")


async def test_deleting_several_counts_those_that_were_there(service: Any) -> None:
    ids = [(await service.kept()).id for _ in range(3)]
    response = await service.client.request("DELETE", "/api/history", json={"ids": [*ids[:2], ids[0], "x", "0" * 32]})

    assert response.json() == {"success": True, "deleted_count": 2, "message": "Deleted 2 pictures."}
    assert (await service.client.get("/api/history")).json()["total"] == 1


@pytest.mark.parametrize("count", [1, 100])
async def test_one_to_a_hundred_can_be_deleted_at_once(service: Any, count: int) -> None:
    ids = [(await service.kept()).id for _ in range(count)]
    response = await service.client.request("DELETE", "/api/history", json={"ids": ids})

    assert (response.status_code, response.json()["deleted_count"]) == (200, count)


@pytest.mark.parametrize(
    ("body", "fields"),
    [
        ({"ids": []}, [("ids", "too_few")]),
        ({"ids": ["x"] * 101}, [("ids", "too_many")]),
        ({"ids": "x"}, [("ids", "wrong_type")]),
        ({"ids": [1]}, [("ids.0", "wrong_type")]),
        ({"ids": None}, [("ids", "wrong_type")]),
        ({}, [("ids", "missing")]),
    ],
    ids=lambda value: str(value)[:30],
)
async def test_a_wrong_list_is_refused(refusing: Any, wrong_fields: Any, body: Any, fields: Any) -> None:
    assert wrong_fields(await refusing.request("DELETE", "/api/history", json=body)) == fields


async def test_deleting_without_a_body_deletes_nothing(service: Any, wrong_fields: Any) -> None:
    await service.kept()

    assert wrong_fields(await service.client.delete("/api/history")) == [("body", "missing")]
    assert (await service.client.get("/api/history")).json()["total"] == 1
