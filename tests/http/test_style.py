"""`POST /api/generate/style`: one picture in the style of another, or of a description."""

from typing import Any

import pytest
from tests.http.pictures import ALICE, BOB, TRIAL, encoded, entry, form, png, seen, state, uploaded

PATH = "/api/generate/style"
CONTENT, STYLE = {"content_image": entry("content")}, {"style_image": entry("style")}
WOODCUT = {"style_prompt": "woodcut"}
BAD: list[tuple[Any, Any]] = [
    (WOODCUT, ("content_image", "one_of")),
    (CONTENT | WOODCUT | {"content_image_key": "x"}, ("content_image", "one_of")),
    (CONTENT | STYLE | {"style_image_key": "x"}, ("style_image", "one_of")),
    (CONTENT, ("style_prompt", "style_missing")),
    (CONTENT | {"style_prompt": " "}, ("style_prompt", "style_missing")),
    (CONTENT | {"style_prompt": "x" * 2001}, ("style_prompt", "too_long")),
    (CONTENT | {"style_image": {}}, ("style_image", "one_of")),
    (CONTENT | {"style_image": {"data": "a b"}}, ("style_image", "bad_base64")),
    (CONTENT | {"style_image": "x"}, ("style_image", "wrong_type")),
    (WOODCUT | {"content_image": {"key": 1}}, ("content_image.key", "wrong_type")),
]


async def test_a_style_in_words(service: Any) -> None:
    plain = await service.generated()
    body = (await service.client.post(PATH, json=CONTENT | WOODCUT | {"settings": {"resolution": "4K"}})).json()

    assert set(body) == set(plain)
    assert (body["mode"], body["prompt"], body["settings"]["resolution"]) == ("style", "woodcut", "4K")
    assert seen(service) == [png("content")]
    assert service.model.requests[-1].prompt.endswith("Style: woodcut")


async def test_pictures_by_key_by_entry_and_by_file(service: Any) -> None:
    keys = {note: (await uploaded(service, note))["key"] for note in ("content", "style")}
    by_key = {"content_image_key": keys["content"], "style_image_key": keys["style"]}
    by_entry = {"content_image": {"key": keys["content"]}, "style_image": entry("style")}
    for sent in (
        {"json": by_key},
        {"json": by_entry},
        form(("style_image", png("style")), ("content_image", png("content"))),
        form(("style_image", png("style")), request=CONTENT | WOODCUT),
    ):
        response = await service.client.post(PATH, **sent)

        assert response.status_code == 200, response.text
        assert seen(service) == [png("content"), png("style")]


@pytest.mark.parametrize(("body", "error"), BAD, ids=lambda value: str(value)[:60])
async def test_bad_input_is_named(refusing: Any, wrong_fields: Any, body: Any, error: Any) -> None:
    assert wrong_fields(await refusing.post(PATH, json=body)) == [error]


async def test_bad_input_costs_nothing(open_service: Any) -> None:
    async with open_service(**TRIAL) as service:
        before = await state(service)
        refused = [await service.client.post(PATH, json=body) for body, _ in BAD]

        assert {response.status_code for response in refused} == {422}
        assert before == await state(service)


@pytest.mark.parametrize(
    ("files", "request_part", "error"),
    [
        ([("content_image", png())], CONTENT | WOODCUT, ("content_image", "one_of")),
        ([("content_image", png()), ("content_image", png())], WOODCUT, ("content_image", "too_many")),
        ([("content_image", png()), ("style_image", png())], STYLE, ("style_image", "one_of")),
        ([("content_image", png())], None, ("style_prompt", "style_missing")),
    ],
    ids=["two contents", "two files", "two styles", "no style"],
)
async def test_a_form_that_says_too_much_or_too_little_is_refused(
    refusing: Any, wrong_fields: Any, files: Any, request_part: Any, error: tuple[str, str]
) -> None:
    assert wrong_fields(await refusing.post(PATH, **form(*files, request=request_part))) == [error]


@pytest.mark.parametrize("field", ["content_image", "style_image"])
async def test_what_is_no_picture_is_named_and_costs_nothing(open_service: Any, is_problem: Any, field: str) -> None:
    async with open_service(**TRIAL) as service:
        before = await state(service)
        body = CONTENT | STYLE | {field: {"data": encoded(b"no picture")}}
        problem = is_problem(await service.client.post(PATH, json=body), 422, "invalid_image")

        assert problem["error"]["details"] == {"reason": "not_an_image", "field": field}
        assert before == await state(service)


@pytest.mark.parametrize("field", ["content_image", "style_image"])
async def test_anothers_key_is_not_found(service: Any, is_problem: Any, field: str) -> None:
    theirs = (await uploaded(service, headers=ALICE))["key"]
    body = {name: value for name, value in (CONTENT | STYLE).items() if name != field} | {f"{field}_key": theirs}
    problem = is_problem(await service.client.post(PATH, json=body, headers=BOB), 404, "image_not_found")

    assert problem["error"]["details"] == {"field": f"{field}_key"}
    assert service.model.requests == []


async def test_a_style_counts_as_a_blend(open_service: Any) -> None:
    async with open_service(**TRIAL) as service:
        await service.client.post(PATH, json=CONTENT | WOODCUT)
        usage = (await service.client.get("/api/quota")).json()

        assert (usage["global_used"], usage["modes"]["blend"]["used"]) == (2, 1)


async def test_a_repeat_is_answered_with_the_first_outcome(service: Any) -> None:
    headers = {"Idempotency-Key": "k"}
    first, repeat = [await service.client.post(PATH, json=CONTENT | WOODCUT, headers=headers) for _ in range(2)]

    assert (repeat.content, repeat.headers["idempotency-replayed"]) == (first.content, "true")


async def test_a_form_whose_optional_file_was_not_chosen_is_fine(service: Any) -> None:
    """A browser sends such a file with an empty name and no content (HTML, "constructing the entry list")."""
    head = b"--B\r\nContent-Disposition: form-data; name="
    body = b"".join(
        [
            head + b'"content_image"; filename="a.png"\r\n\r\n' + png("content") + b"\r\n",
            head + b'"style_image"; filename=""\r\nContent-Type: application/octet-stream\r\n\r\n\r\n',
            head + b'"request"\r\n\r\n{"style_prompt": "woodcut"}\r\n--B--\r\n',
        ]
    )
    response = await service.client.post(
        PATH, content=body, headers={"Content-Type": "multipart/form-data; boundary=B"}
    )

    assert response.status_code == 200, response.text
    assert seen(service) == [png("content")]
