"""Numbers for Prometheus."""

from typing import Any

from prometheus_client.parser import text_string_to_metric_families


async def samples(client: Any, name: str) -> dict[tuple[str, ...], float]:
    """The numbers of one metric by method, route and status."""
    response = await client.get("/metrics")
    assert response.headers["content-type"].startswith("text/plain")
    return {
        (sample.labels["method"], sample.labels["route"], sample.labels.get("status", "")): sample.value
        for found in text_string_to_metric_families(response.text)
        for sample in found.samples
        if sample.name == name
    }


async def test_requests_are_counted_by_route_template(service: Any) -> None:
    for number in range(3):
        await service.client.get(f"/api/history/{number:032x}")
        await service.client.get(f"/api/history/{number:032x}/image")
    counted = await samples(service.client, "nbl_requests_total")

    assert counted == {
        ("GET", "/api/history/{picture_id}", "404"): 3,
        ("GET", "/api/history/{picture_id}/image", "404"): 3,
    }


async def test_unknown_paths_share_one_line(service: Any) -> None:
    for number in range(5):
        await service.client.get(f"/guess/{number}")
        await service.client.put(f"/api/history/{number}")
    counted = await samples(service.client, "nbl_requests_total")

    assert sum(counted.values()) == 10
    assert counted["GET", "unmatched", "404"] == 5
    assert not any(character.isdigit() for _, route, _ in counted for character in route)


async def test_asset_names_are_no_labels(service: Any) -> None:
    for name in ("swagger-ui.css", "nope.js", "../../etc/passwd"):
        await service.client.get(f"/docs/assets/{name}")
    routes = {route for _, route, _ in await samples(service.client, "nbl_requests_total")}

    assert not any("swagger-ui" in route or "nope" in route or "passwd" in route for route in routes)


async def test_durations_are_counted(service: Any) -> None:
    await service.client.get("/api/history")
    counted = await samples(service.client, "nbl_request_duration_seconds_count")

    assert counted == {("GET", "/api/history", ""): 1}


async def test_two_applications_do_not_share_numbers(service: Any, open_service: Any) -> None:
    await service.client.get("/api/history")
    async with open_service() as other:
        assert await samples(other.client, "nbl_requests_total") == {}


async def test_a_request_being_answered_is_in_progress(service: Any) -> None:
    assert "nbl_requests_in_progress 1.0" in (await service.client.get("/metrics")).text
