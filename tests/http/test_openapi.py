"""The OpenAPI document and the page that shows it."""

import json
import re
from typing import Any

import jsonschema
import pytest
from litestar.routes import HTTPRoute
from openapi_spec_validator import OpenAPIV31SpecValidator, validate

from nano_banana_lab.http.errors import STATUS_BY_CODE

GENERATION_PROBLEMS = {
    "validation_error", "no_api_key", "content_blocked", "no_image", "invalid_api_key", "overloaded",
    "unsupported_media_type", "payload_too_large", "upstream_rate_limited", "upstream_error", "upstream_timeout",
    "model_retired", "service_unavailable", "internal_error", "quota_exceeded", "cooldown_active",
    "idempotency_conflict",
}  # fmt: skip
PICTURE_PROBLEMS = GENERATION_PROBLEMS | {"invalid_image", "image_not_found"}
METHODS = ("get", "post", "put", "patch", "delete")


@pytest.fixture
async def document(refusing: Any) -> dict[str, Any]:
    response = await refusing.get("/openapi.json")
    assert response.status_code == 200
    return json.loads(response.content)


def operations(document: dict[str, Any]) -> dict[tuple[str, str], dict[str, Any]]:
    return {
        (method, path): operation
        for path, item in document["paths"].items()
        for method, operation in item.items()
        if method in METHODS
    }


async def test_it_is_valid_openapi_3_1(document: dict[str, Any]) -> None:
    assert document["openapi"].startswith("3.1")
    validate(document, cls=OpenAPIV31SpecValidator)


async def test_every_route_is_documented(document: dict[str, Any], refusing_app: Any) -> None:
    routes = {
        (method.lower(), re.sub(r"\{(\w+):\w+\}", r"{\1}", route.path))
        for route in refusing_app.routes
        if isinstance(route, HTTPRoute)
        for method in route.methods - {"OPTIONS", "HEAD"}
    }
    documented = {(method, path) for method, path in routes if not path.startswith("/docs") and path != "/openapi.json"}

    assert documented == set(operations(document))
    assert len(documented) >= 12


async def test_every_operation_says_what_it_does(document: dict[str, Any]) -> None:
    for where, operation in operations(document).items():
        assert operation.get("summary"), where
        assert operation.get("description"), where
        assert operation.get("tags"), where


async def test_operation_ids_are_unique(document: dict[str, Any]) -> None:
    ids = [operation["operationId"] for operation in operations(document).values()]

    assert len(ids) == len(set(ids))


async def test_every_documented_error_is_a_problem_with_an_example_for_each_code(document: dict[str, Any]) -> None:
    seen = 0
    for where, operation in operations(document).items():
        for status, response in operation["responses"].items():
            codes = re.findall(r"`(\w+)`", response["description"])
            if int(status) < 400 or where[1].startswith("/api/health"):
                continue
            content = response["content"]["application/problem+json"]
            assert set(content["examples"]) == set(codes) != set(), where
            for code in codes:
                example = content["examples"][code]["value"]
                assert (example["code"], example["status"]) == (code, int(status)) == (code, STATUS_BY_CODE[code])
                assert example["detail"] == example["error"]["message"] != ""
                assert "{" not in example["detail"]
                seen += 1
    assert seen > 30


@pytest.mark.parametrize(
    ("method", "path", "codes"),
    [
        (
            "post",
            "/api/generate",
            GENERATION_PROBLEMS,
        ),
        *(
            ("post", f"/api/generate/{mode}", PICTURE_PROBLEMS)
            for mode in ("blend", "style")
        ),
        ("post", "/api/generate/search", GENERATION_PROBLEMS),
        (
            "post",
            "/api/images",
            {
                "validation_error", "invalid_image", "unsupported_media_type", "payload_too_large",
                "service_unavailable", "internal_error",
            },
        ),
        ("get", "/api/history", {"validation_error", "service_unavailable", "internal_error"}),
        ("get", "/api/history/{picture_id}", {"image_not_found", "validation_error", "service_unavailable"}),
        (
            "get",
            "/api/history/{picture_id}/image",
            {"image_not_found", "range_not_satisfiable", "validation_error", "service_unavailable"},
        ),
        ("delete", "/api/history/{picture_id}", {"image_not_found", "service_unavailable", "internal_error"}),
        (
            "delete",
            "/api/history",
            {"validation_error", "unsupported_media_type", "payload_too_large", "service_unavailable", "internal_error"},
        ),
    ],
)  # fmt: skip
async def test_an_operation_documents_the_errors_it_answers(
    document: dict[str, Any], method: str, path: str, codes: set[str]
) -> None:
    responses = operations(document)[method, path]["responses"].values()
    documented = {code for response in responses for code in re.findall(r"`(\w+)`", response["description"])}

    assert documented >= codes


async def test_an_operation_that_can_be_repeated_describes_key_replay_and_conflict(document: dict[str, Any]) -> None:
    operation = document["paths"]["/api/generate"]["post"]

    (parameter,) = [each for each in operation["parameters"] if each["name"] == "Idempotency-Key"]
    assert (parameter["in"], parameter["required"], parameter["schema"]["maxLength"]) == ("header", False, 255)
    assert "Idempotency-Replayed" in operation["responses"]["200"]["headers"]
    assert "`idempotency_conflict`" in operation["responses"]["409"]["description"]
    assert "Idempotency" not in str(document["paths"]["/api/generate/estimate"])


async def test_no_undocumented_400_is_left_over_from_the_framework(document: dict[str, Any]) -> None:
    for where, operation in operations(document).items():
        assert not any("exception" in str(response).lower() for response in operation["responses"].values()), where
        if "400" in operation["responses"]:
            assert set(operation["responses"]["400"]["content"]) == {"application/problem+json"}


async def test_every_request_body_has_an_example(document: dict[str, Any]) -> None:
    bodies = {
        where: operation["requestBody"]
        for where, operation in operations(document).items()
        if "requestBody" in operation
    }
    assert {path for _, path in bodies} >= {"/api/generate", "/api/generate/estimate", "/api/history"}
    for where, body in bodies.items():
        for media_type, content in body["content"].items():
            if media_type.startswith("image/"):  # nothing but the bytes of a file
                continue
            schema = resolved(document, content["schema"])
            properties = [resolved(document, each) for each in schema["properties"].values()]
            assert (
                "example" in content
                or "examples" in content
                or "examples" in schema
                or any("examples" in each for each in properties)
            ), where


@pytest.mark.parametrize(
    ("path", "files"),
    [("/api/generate/blend", {"images"}), ("/api/generate/style", {"content_image", "style_image"})],
)
async def test_what_reads_pictures_is_documented_as_json_and_as_a_form(
    document: dict[str, Any], path: str, files: set[str]
) -> None:
    content = operations(document)["post", path]["requestBody"]["content"]
    json_schema, form_schema = content["application/json"]["schema"], content["multipart/form-data"]["schema"]

    assert set(content) == {"application/json", "multipart/form-data"}
    assert set(form_schema["properties"]) == files | {"request"}
    assert form_schema["properties"]["request"] == json_schema
    assert content["multipart/form-data"]["encoding"]["request"]["contentType"] == "application/json"
    for media_type in content:
        schema = {**content[media_type]["schema"], "components": document["components"]}
        jsonschema.validate(content[media_type]["example"], schema, cls=jsonschema.Draft202012Validator)


async def test_an_upload_is_documented_as_a_form_and_as_the_bytes_of_a_picture(document: dict[str, Any]) -> None:
    operation = operations(document)["post", "/api/images"]

    assert set(operation["requestBody"]["content"]) == {"multipart/form-data", "image/png", "image/jpeg", "image/webp"}
    assert {status for status in operation["responses"] if status < "400"} == {"201"}


def resolved(document: dict[str, Any], schema: dict[str, Any]) -> dict[str, Any]:
    name = schema.get("$ref", "").rpartition("/")[2]
    return document["components"]["schemas"][name] if name else schema


async def test_the_document_holds_no_secret(document: dict[str, Any]) -> None:
    assert "AIza" not in json.dumps(document)
    assert "k" * 48 not in json.dumps(document)


async def test_the_schemas_say_what_is_optional_and_which_values_exist(document: dict[str, Any]) -> None:
    schemas = document["components"]["schemas"]
    body = next(schema for name, schema in schemas.items() if name.endswith("GenerateBody"))

    assert body["required"] == ["prompt"]
    assert set(body["properties"]) == {"prompt", "settings", "include_thinking"}
    resolution = next(schema for name, schema in schemas.items() if name.endswith("Resolution"))
    assert resolution["enum"] == ["1K", "2K", "4K"]


@pytest.mark.parametrize("path", ["/docs", "/docs/"])
async def test_the_page_works_without_the_internet(refusing: Any, path: str) -> None:
    response = await refusing.get(path, follow_redirects=True)

    assert (response.status_code, response.headers["content-type"]) == (200, "text/html; charset=utf-8")
    assert re.findall(r"(?:src|href)\s*=\s*['\"](?:https?:)?//[^'\"]*", response.text) == []


async def test_every_asset_of_the_page_is_served_here(refusing: Any) -> None:
    page = (await refusing.get("/docs")).text
    assets = set(re.findall(r"(?:src|href)\s*=\s*['\"]([^'\"]+)", page))

    assert len(assets) >= 3
    for asset in assets:
        assert (await refusing.get(asset)).status_code == 200, asset


@pytest.mark.parametrize("path", ["../../../etc/passwd", "..%2f..%2f..%2fetc/passwd", "%2e%2e/%2e%2e/__init__.py"])
async def test_nothing_beside_the_assets_is_served(refusing: Any, is_problem: Any, path: str) -> None:
    is_problem(await refusing.get(f"/docs/assets/{path}"), 404, "not_found")


async def test_every_json_answer_shows_an_example_that_fits_its_schema(document: dict[str, Any]) -> None:
    shown = 0
    for where, operation in operations(document).items():
        for answer in operation["responses"].values():
            for media_type, content in answer.get("content", {}).items():
                if "json" not in media_type or "examples" not in content:
                    continue
                for example in content["examples"].values():
                    schema = {**content["schema"], "components": document["components"]}
                    jsonschema.validate(example["value"], schema, cls=jsonschema.Draft202012Validator)
                    shown += 1
        success = next(answer for status, answer in operation["responses"].items() if status[0] == "2")["content"]
        assert "application/json" not in success or success["application/json"]["examples"], where

    assert shown > 40
