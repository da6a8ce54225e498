"""Alive, ready, well: what probes and people are told."""

from datetime import UTC, datetime
from typing import Any

import pytest

from nano_banana_lab.core.generation.ports import InvalidApiKey
from nano_banana_lab.core.storage.ports import StoreUnavailable

DOWN = StoreUnavailable("store")


@pytest.mark.parametrize("path", ["/api/health", "/api/health/ready"])
async def test_a_well_service_says_so(client: Any, path: str) -> None:
    response = await client.get(path)

    assert response.status_code == 200
    assert response.json() == {"status": "healthy", "timestamp": "2026-11-22T12:00:00.000Z"}


async def test_a_process_that_is_alive_says_so_and_when(client: Any) -> None:
    before = datetime.now(UTC).replace(microsecond=0)
    health = (await client.get("/api/health/live")).raise_for_status().json()

    assert health["status"] == "healthy"
    assert before <= datetime.fromisoformat(health["timestamp"]) <= datetime.now(UTC)


@pytest.mark.parametrize("store", ["key_values", "blobs"])
async def test_while_a_store_is_down_the_service_is_alive_and_not_ready(
    open_service: Any, service: Any, unreliable: Any, mishap: Any, is_problem: Any, store: str
) -> None:
    broken = unreliable(getattr(service, store), mishap(DOWN, "ping"))
    async with open_service(**{store: broken}) as ailing:
        answers = [await ailing.client.get(f"/api/health{path}") for path in ("", "/live", "/ready")]
        refused = await ailing.client.post("/api/generate", json={"prompt": "x"})

    assert [(answer.status_code, answer.json()["status"]) for answer in answers] == [
        (200, "unhealthy"),
        (200, "healthy"),
        (503, "unhealthy"),
    ]
    assert set(answers[2].json()) == {"status", "timestamp"}
    is_problem(refused, 503, "service_unavailable")
    assert refused.headers["retry-after"] == "5"
    assert ailing.model.requests == []


async def test_a_store_that_fails_in_the_middle_is_a_503(
    open_service: Any, service: Any, unreliable: Any, mishap: Any, is_problem: Any
) -> None:
    broken = unreliable(service.key_values, mishap(DOWN, "page", "get", "commit"))
    async with open_service(key_values=broken) as ailing:
        for path in ("/api/history", "/api/history/stats", f"/api/history/{'0' * 32}"):
            problem = is_problem(await ailing.client.get(path), 503, "service_unavailable")
            assert "not available right now" in problem["detail"]


async def test_it_is_well_again_once_the_store_is_back(
    open_service: Any, service: Any, unreliable: Any, mishap: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nano_banana_lab.core.storage.store_watch.REMEMBER_SECONDS", -1)
    broken = unreliable(service.blobs, mishap(DOWN, "ping"))
    async with open_service(blobs=broken) as ailing:
        before = await ailing.client.get("/api/health/ready")
        broken.mishap = None
        after = await ailing.client.get("/api/health/ready")

    assert (before.status_code, after.status_code) == (503, 200)


async def test_a_service_that_shuts_down_is_not_ready_and_takes_nothing_new(service: Any, is_problem: Any) -> None:
    (await service.paid_calls).close()
    ready = await service.client.get("/api/health/ready")
    refused = await service.client.post("/api/generate", json={"prompt": "x"})

    assert (ready.status_code, ready.json()["status"]) == (503, "unhealthy")
    problem = is_problem(refused, 503, "service_unavailable")
    assert "shutting down" in problem["detail"]
    assert service.model.requests == []
    assert (await service.client.get("/api/health/live")).status_code == 200
    assert (await service.client.get("/api/history")).status_code == 200


async def test_the_details_name_every_part(client: Any) -> None:
    body = (await client.get("/api/health/detailed")).json()

    assert set(body) == {"status", "timestamp", "version", "environment", "uptime_seconds", "components"}
    assert set(body["components"]) >= {"key_value_store", "blob_store", "image_model"}
    for component in body["components"].values():
        assert set(component) == {"status", "latency_ms", "error", "details"}
    assert (body["status"], body["environment"]) == ("healthy", "development")
    assert body["uptime_seconds"] >= 0


async def test_the_details_say_plainly_that_pictures_are_placeholders(client: Any) -> None:
    details = (await client.get("/api/health/detailed")).json()["components"]["image_model"]["details"]

    assert "placeholder" in details
    assert "sketch" in details["notice"]


async def test_the_details_name_what_is_broken(open_service: Any, service: Any, unreliable: Any, mishap: Any) -> None:
    async with open_service(blobs=unreliable(service.blobs, mishap(DOWN, "ping"))) as ailing:
        response = await ailing.client.get("/api/health/detailed")

    body = response.json()
    assert (response.status_code, body["status"]) == (200, "unhealthy")
    assert body["components"]["blob_store"]["status"] == "unhealthy"
    assert body["components"]["blob_store"]["error"]
    assert body["components"]["key_value_store"] | {"latency_ms": 0} == {
        "status": "healthy", "latency_ms": 0, "error": None, "details": {},
    }  # fmt: skip


async def test_a_model_that_cannot_be_reached_is_a_degraded_service(service: Any) -> None:
    async def check() -> None:
        raise InvalidApiKey

    service.model.check = check
    body = (await service.client.get("/api/health/detailed")).json()

    assert body["status"] == "degraded"
    assert body["components"]["image_model"]["error"] == "Google refused the API key."
    assert (await service.client.get("/api/health/ready")).status_code == 200


async def test_the_details_are_told_in_the_language_of_each_reader(service: Any) -> None:
    async def check() -> None:
        raise InvalidApiKey

    service.model.check = check
    told = [
        (await service.client.get("/api/health/detailed", headers={"Accept-Language": language}))
        for language in ("zh", "en")
    ]

    assert [each.headers["content-language"] for each in told] == ["zh", "en"]
    models = [each.json()["components"]["image_model"] for each in told]
    assert [model["error"] for model in models] == ["Google 拒绝了该 API 密钥。", "Google refused the API key."]
    assert models[0]["details"]["notice"].startswith("图片是由离线的 sketch 模型绘制的占位图")


async def test_the_model_is_asked_once_a_minute_at_most(service: Any) -> None:
    asked = []

    async def check() -> None:
        asked.append(1)

    service.model.check = check
    for _ in range(5):
        await service.client.get("/api/health/detailed")

    assert len(asked) == 1
