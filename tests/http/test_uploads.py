"""`POST /api/images`: pictures that users bring along."""

from io import BytesIO
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image
from tests.http.pictures import ALICE, BOB, encoded, form, png, state, uploaded

from nano_banana_lab.adapters.memory.blob_store import MemoryBlobStore
from nano_banana_lab.core.history.ports import InvalidImage
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.testing.frozen_clock import FrozenClock

IMAGE = {
    "id", "key", "filename", "url", "thumbnail_url", "width", "height", "mime_type", "size_bytes", "sha256",
    "requested_resolution", "matches_request",
}  # fmt: skip
PNG = {"Content-Type": "image/png"}


async def upload(service: Any, content: bytes, **headers: str) -> Any:
    return await service.client.post("/api/images", content=content, headers=PNG | headers)


async def test_a_picture_as_the_body_is_kept(service: Any) -> None:
    response = await upload(service, png())
    image = response.json()

    assert (response.status_code, set(image)) == (201, IMAGE)
    assert response.headers["location"] == f"/api/history/{image['id']}"
    assert (image["width"], image["height"], image["mime_type"]) == (8, 8, "image/png")
    assert (image["size_bytes"], image["requested_resolution"], image["matches_request"]) == (len(png()), "1K", True)
    assert (await service.client.get(image["url"])).content == png()
    assert (await service.client.get(image["thumbnail_url"])).headers["content-type"] == "image/webp"


@pytest.mark.parametrize("name", ["image", "file"])
async def test_a_picture_in_a_form_is_kept_under_its_name(service: Any, name: str) -> None:
    response = await service.client.post("/api/images", **form((name, png())))
    item = (await service.client.get(response.headers["location"])).json()["item"]

    assert response.status_code == 201
    assert (item["prompt"], item["mode"], item["model"], item["cost_usd"]) == ("a.png", "upload", "", 0)
    assert (await service.client.get(item["url"])).content == png()


@pytest.mark.parametrize("claimed", ["image/jpeg", "image/gif", "image/x-nonsense", "IMAGE/PNG; a=b"])
async def test_what_the_client_calls_it_is_not_believed(service: Any, claimed: str) -> None:
    response = await upload(service, png(), **{"Content-Type": claimed})

    assert (response.status_code, response.json()["mime_type"]) == (201, "image/png")


async def test_uploads_are_listed_only_when_asked_for(service: Any) -> None:
    image = await uploaded(service)
    generated = await service.generated()

    listed = {
        query: [item["id"] for item in (await service.client.get(f"/api/history{query}")).json()["items"]]
        for query in ("", "?mode=upload", "?search=a")
    }
    assert listed == {"": [generated["id"]], "?mode=upload": [image["id"]], "?search=a": [generated["id"]]}
    assert (await service.client.get("/api/history/stats")).json()["images_by_mode"] == {"basic": 1}


async def test_an_upload_can_be_deleted(service: Any, is_problem: Any) -> None:
    image = await uploaded(service)
    deleted = await service.client.delete(f"/api/history/{image['id']}")

    assert deleted.status_code == 200
    is_problem(await service.client.get(image["url"]), 404, "image_not_found")
    assert [blob.key async for blob in service.blobs.list("")] == []


async def test_an_upload_is_its_owners_alone(service: Any, is_problem: Any) -> None:
    image = await uploaded(service, headers=ALICE)

    assert (await service.client.get(image["url"], headers=ALICE)).status_code == 200
    is_problem(await service.client.get(image["url"], headers=BOB), 404, "image_not_found")
    is_problem(await service.client.delete(f"/api/history/{image['id']}", headers=BOB), 404, "image_not_found")


async def test_an_upload_costs_nothing(open_service: Any) -> None:
    async with open_service(TRIAL_ENABLED="true") as service:
        before = (await service.client.get("/api/quota")).json()
        await uploaded(service)

        assert before | {"cooldown_active": False} == (await service.client.get("/api/quota")).json()


@pytest.mark.parametrize("headers", [{}, {"Content-Type": "text/plain"}, {"Content-Type": "application/octet-stream"}])
async def test_another_type_is_told_what_is_accepted(refusing: Any, is_problem: Any, headers: dict[str, str]) -> None:
    response = await refusing.post("/api/images", content=png(), headers=headers)
    problem = is_problem(response, 415, "unsupported_media_type")

    assert response.headers["accept"] == "image/png, image/jpeg, image/webp, multipart/form-data"
    assert problem["error"]["details"] == {"accepted": response.headers["accept"]}


@pytest.mark.parametrize(
    ("sent", "field", "reason"),
    [
        ({"content": b"<html>", "headers": PNG}, "body", "not_an_image"),
        (form(("image", b"")), "image", "not_an_image"),
        (form(("file", b"GIF89a" + bytes(9))), "file", "unsupported_format"),
        (form(("file", png() + b"<?php system('x'); ?>")), "file", "something_else_too"),
    ],
    ids=["html", "nothing", "gif", "polyglot"],
)
async def test_what_is_no_picture_is_refused_by_name(
    service: Any, is_problem: Any, sent: dict[str, Any], field: str, reason: str
) -> None:
    before = await state(service)
    problem = is_problem(await service.client.post("/api/images", **sent), 422, "invalid_image")

    assert problem["error"]["details"] == {"reason": reason, "field": field}
    assert problem["detail"] == f"{field}: This is not a usable picture ({InvalidImage.words[reason]})."
    assert before == await state(service)


@pytest.mark.parametrize(
    ("sent", "error"),
    [
        ({"content": b"", "headers": PNG}, ("body", "missing")),
        (form(("picture", png())), ("image", "missing")),
        (form(("image", png()), ("image", png())), ("image", "too_many")),
        (form(("image", png()), ("file", png())), ("image", "too_many")),
        ({"content": b"x", "headers": {"Content-Type": "multipart/form-data; boundary=b"}}, ("body", "invalid_form")),
    ],
    ids=["an empty body", "another part", "two pictures", "two names", "no form"],
)
async def test_exactly_one_picture_is_needed(
    refusing: Any, wrong_fields: Any, sent: dict[str, Any], error: tuple[str, str]
) -> None:
    assert wrong_fields(await refusing.post("/api/images", **sent)) == [error]


@pytest.mark.parametrize(
    "sent", [{"content": bytes(6000), "headers": PNG}, form(("image", bytes(6000)))], ids=["body", "form"]
)
async def test_more_than_a_request_may_have_is_too_large(refusing: Any, is_problem: Any, sent: Any) -> None:
    is_problem(await refusing.post("/api/images", **sent), 413, "payload_too_large")


async def test_while_a_store_is_away_nothing_is_taken(
    open_service: Any, is_problem: Any, unreliable: Any, mishap: Any
) -> None:
    store = MemoryBlobStore(FrozenClock())
    async with open_service(blobs=unreliable(store, mishap(StoreUnavailable("blob store"), "ping"))) as service:
        is_problem(await upload(service, png()), 503, "service_unavailable")

    assert [blob.key async for blob in store.list("")] == []


def small(format: str) -> bytes:
    """A sound picture of a few hundred bytes."""
    file = BytesIO()
    Image.linear_gradient("L").resize((24, 16)).convert("RGB").save(file, format)
    return file.getvalue()


DAMAGES = st.lists(st.tuples(st.integers(0, 2000), st.binary(min_size=1, max_size=4)), max_size=5)


@pytest.mark.filterwarnings("ignore::UserWarning")  # Pillow warns of oddities and goes on, as in production
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(sound=st.sampled_from([small("PNG"), small("JPEG"), small("WEBP")]), damages=DAMAGES, cut=st.integers(0, 400))
async def test_a_damaged_picture_is_kept_whole_or_refused(
    service: Any, sound: bytes, damages: list[tuple[int, bytes]], cut: int
) -> None:
    """Sent as a body, in a form and in JSON alike."""
    data = bytearray(sound)
    for position, replacement in damages:
        at = position % len(data)
        data[at : at + len(replacement)] = replacement
    sent = bytes(data[: len(data) - cut] if cut < 200 else data) or b"\0"
    kept = await upload(service, sent)
    in_a_form = await service.client.post("/api/images", **form(("image", sent)))
    style = {"content_image": {"data": f"data:image/png;base64,{encoded(sent)}"}, "style_prompt": "in oil"}
    styled = await service.client.post("/api/generate/style", json=style)

    assert (kept.status_code, in_a_form.status_code, styled.status_code) in {(201, 201, 200), (422, 422, 422)}
    if kept.status_code == 201:
        assert (await service.client.get(kept.json()["url"])).content == sent
    else:
        assert kept.json()["code"] == styled.json()["code"] == "invalid_image"
