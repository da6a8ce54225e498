"""What belongs to somebody else is not there."""

from typing import Any

import pytest

ALICE, BOB = {"Authorization": "Bearer alice"}, {"Authorization": "bearer bob"}


@pytest.mark.parametrize(
    ("method", "tail"),
    [("GET", ""), ("GET", "?include_image=true"), ("GET", "/image"), ("GET", "/image?size=thumb"), ("DELETE", "")],
)
async def test_anothers_picture_is_answered_like_one_that_never_was(
    service: Any, is_problem: Any, method: str, tail: str
) -> None:
    made = await service.generated(owner="alice")
    theirs = await service.client.request(method, f"/api/history/{made['id']}{tail}", headers=BOB)
    nobodys = await service.client.request(method, f"/api/history/{'0' * 32}{tail}", headers=BOB)

    problems = [is_problem(response, 404, "image_not_found") for response in (theirs, nobodys)]
    assert problems[0]["detail"] == problems[1]["detail"]
    assert (await service.client.get(made["image"]["url"], headers=ALICE)).status_code == 200


async def test_a_current_copy_does_not_open_anothers_picture(service: Any, is_problem: Any) -> None:
    made = await service.generated(owner="alice")
    headers = BOB | {"If-None-Match": f'"{made["image"]["sha256"]}"'}

    is_problem(await service.client.get(made["image"]["url"], headers=headers), 404, "image_not_found")


async def test_lists_and_sums_are_ones_own(service: Any) -> None:
    await service.generated(owner="alice")

    for headers, count in ((ALICE, 1), (BOB, 0), ({}, 0)):
        assert (await service.client.get("/api/history", headers=headers)).json()["total"] == count
        assert (await service.client.get("/api/history/stats", headers=headers)).json()["total_images"] == count


async def test_nobody_deletes_for_another(service: Any) -> None:
    made = await service.generated(owner="alice")
    response = await service.client.request("DELETE", "/api/history", json={"ids": [made["id"]]}, headers=BOB)

    assert response.json()["deleted_count"] == 0
    assert (await service.client.get("/api/history", headers=ALICE)).json()["total"] == 1


async def test_a_cursor_shows_only_ones_own(service: Any) -> None:
    for number in range(3):
        await service.generated(f"alice's {number}", owner="alice")
        await service.generated(f"bob's {number}", owner="bob")
    cursor = (await service.client.get("/api/history?limit=1", headers=ALICE)).json()["next_cursor"]
    items = (await service.client.get(f"/api/history?cursor={cursor}", headers=BOB)).json()["items"]

    assert all(item["prompt"].startswith("bob's") for item in items)


@pytest.mark.parametrize("authorization", ["", "Bearer", "Bearer ", "Basic YWxpY2U6", "alice", "Token alice"])
async def test_without_a_bearer_token_one_is_nobody_in_particular(service: Any, authorization: str) -> None:
    await service.generated(owner="alice")
    response = await service.client.get("/api/history", headers={"Authorization": authorization})

    assert (response.status_code, response.json()["total"]) == (200, 0)
