"""What is true of every response: its id, its headers, its origin rules, its language."""

import re
from typing import Any

import pytest

PLACES = [
    ("GET", "/", 200),
    ("GET", "/api/history", 200),
    ("GET", "/nope", 404),
    ("PUT", "/api/generate", 405),
    ("POST", "/api/generate", 422),
    ("GET", "/docs", 200),
    ("GET", "/docs/assets/swagger-ui.css", 200),
    ("GET", "/openapi.json", 200),
    ("GET", "/metrics", 200),
]


@pytest.mark.parametrize(("method", "path", "status"), PLACES)
async def test_every_response_has_an_id_and_safe_headers(refusing: Any, method: str, path: str, status: int) -> None:
    response = await refusing.request(method, path)

    assert response.status_code == status
    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])
    assert response.headers["x-content-type-options"] == "nosniff"
    assert response.headers["referrer-policy"] == "no-referrer"
    assert response.headers["x-frame-options"] == "DENY"
    assert len(response.headers.get_list("x-request-id")) == 1
    assert len(response.headers.get_list("cache-control")) == 1


async def test_a_body_too_large_and_a_bug_have_them_too(service: Any, refusing: Any) -> None:
    def fail(_: Any) -> Any:
        raise ZeroDivisionError

    service.model.then(fail)
    bug = await service.client.post("/api/generate", json={"prompt": "x"})
    too_large = await refusing.post("/api/generate", content=b"x" * 6000)

    assert (bug.status_code, too_large.status_code) == (500, 413)
    for response in (bug, too_large):
        assert response.headers["x-content-type-options"] == "nosniff"
        assert response.headers["x-request-id"] == response.json()["request_id"]


@pytest.mark.parametrize("id", ["abc", "7f3c-4b", "a.b_c:d-e", "x" * 128, "0"])
@pytest.mark.parametrize(("method", "path"), [("GET", "/"), ("GET", "/nope"), ("PUT", "/api/generate")])
async def test_a_sane_request_id_comes_back(refusing: Any, method: str, path: str, id: str) -> None:
    response = await refusing.request(method, path, headers={"X-Request-ID": id})

    assert response.headers["x-request-id"] == id
    assert response.is_success or response.json()["request_id"] == id


@pytest.mark.parametrize(
    "id", [b"", b" ", b"x" * 129, b"a b", b"<script>", b"caf\xc3\xa9", b"\xff", b"a\tb", b"a,b", b"{}"]
)
async def test_any_other_request_id_is_replaced(refusing: Any, id: bytes) -> None:
    response = await refusing.get("/nope", headers=[(b"X-Request-ID", id)])

    assert re.fullmatch(r"[0-9a-f]{32}", response.headers["x-request-id"])
    assert response.json()["request_id"] == response.headers["x-request-id"]


async def test_ids_are_never_used_twice(refusing: Any) -> None:
    assert len({(await refusing.get("/")).headers["x-request-id"] for _ in range(20)}) == 20


async def test_a_request_is_logged_with_its_id_and_nothing_secret(refusing: Any, caplog: Any) -> None:
    caplog.set_level("INFO")
    headers = {"X-Request-ID": "find-me", "X-API-Key": "callers-own-key", "Authorization": "Bearer callers-token"}
    await refusing.post("/api/generate", json={"prompt": "  "}, headers=headers)

    (line,) = [record for record in caplog.records if record.name.endswith("envelope")]
    assert (line.request_id, line.method, line.path, line.status) == ("find-me", "POST", "/api/generate", 422)
    assert "callers" not in str([vars(record) for record in caplog.records])


async def test_probes_that_are_well_are_not_logged(refusing: Any, caplog: Any) -> None:
    caplog.set_level("INFO")
    for path in ("/api/health", "/api/health/live", "/api/health/ready", "/metrics"):
        await refusing.get(path)

    assert [record for record in caplog.records if record.name.endswith("envelope")] == []


ORIGIN = {"Origin": "https://app.test"}
PREFLIGHT = ORIGIN | {
    "Access-Control-Request-Method": "POST",
    "Access-Control-Request-Headers": "content-type, x-api-key, authorization, idempotency-key",
}


@pytest.mark.parametrize(("method", "path", "status"), PLACES)
async def test_while_developing_every_origin_may_read_every_answer(
    refusing: Any, method: str, path: str, status: int
) -> None:
    response = await refusing.request(method, path, headers=ORIGIN)

    assert (response.status_code, response.headers["access-control-allow-origin"]) == (status, "*")


async def test_the_documented_headers_are_exposed(refusing: Any) -> None:
    exposed = (await refusing.get("/", headers=ORIGIN)).headers["access-control-expose-headers"]

    assert {name.strip().lower() for name in exposed.split(",")} >= {
        "x-request-id", "etag", "location", "retry-after", "idempotency-replayed", "preference-applied",
        "content-disposition", "content-range", "www-authenticate",
    }  # fmt: skip


async def test_a_preflight_allows_what_clients_send(refusing: Any) -> None:
    response = await refusing.options("/api/generate", headers=PREFLIGHT)

    assert response.status_code in (200, 204)
    assert response.headers["access-control-allow-origin"] == "*"
    assert "POST" in response.headers["access-control-allow-methods"]
    allowed = response.headers["access-control-allow-headers"].lower()
    assert all(name in allowed for name in ("content-type", "x-api-key", "authorization", "idempotency-key"))


PRODUCTION = {"ENVIRONMENT": "production", "SECRET_KEY": "p" * 40, "IMAGE_MODEL": "sketch"}


async def test_in_production_only_listed_origins_may_read(open_service: Any) -> None:
    async with open_service(**PRODUCTION, CORS_ORIGINS="https://app.test, https://other.test") as service:
        listed = await service.client.get("/api/history", headers=ORIGIN)
        missing = await service.client.get("/nope", headers=ORIGIN)
        stranger = await service.client.get("/api/history", headers={"Origin": "https://evil.test"})
        preflight = await service.client.options("/api/generate", headers=PREFLIGHT)
        refused = await service.client.options("/api/generate", headers=PREFLIGHT | {"Origin": "https://evil.test"})

    assert listed.headers["access-control-allow-origin"] == "https://app.test"
    assert missing.headers["access-control-allow-origin"] == "https://app.test"
    assert "origin" in listed.headers["vary"].lower()
    assert "access-control-allow-origin" not in stranger.headers
    assert preflight.headers["access-control-allow-origin"] == "https://app.test"
    assert "access-control-allow-origin" not in refused.headers


async def test_in_production_nobody_may_unless_listed(open_service: Any) -> None:
    async with open_service(**PRODUCTION) as service:
        for response in (
            await service.client.get("/api/history", headers=ORIGIN),
            await service.client.options("/api/generate", headers=PREFLIGHT),
        ):
            assert "access-control-allow-origin" not in response.headers


async def test_asking_without_an_origin_is_not_a_matter_of_origins(refusing: Any) -> None:
    assert (await refusing.options("/api/generate")).status_code in (200, 204)


async def test_every_answer_is_quiet_about_what_runs_the_service(refusing: Any) -> None:
    for _, path, _ in PLACES:
        headers = (await refusing.get(path)).headers
        assert "server" not in headers
        assert "x-powered-by" not in headers


async def test_where_get_is_allowed_so_is_head(client: Any) -> None:
    response = await client.put("/api/history/stats")

    assert response.status_code == 405
    assert {"GET", "HEAD"} <= {method.strip() for method in response.headers["allow"].split(",")}
