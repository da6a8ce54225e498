"""`POST /api/generate/blend`: several pictures into one."""

from typing import Any

import pytest
from tests.http.pictures import ALICE, BOB, TRIAL, encoded, entry, form, png, seen, state, uploaded

from nano_banana_lab.core.generation.blend_images import DEFAULT_PROMPT

PATH = "/api/generate/blend"
PAIR = {"images": [entry("one"), entry("two")]}
BAD: list[tuple[Any, Any]] = [
    ({"images": "all"}, [("images", "wrong_type")]),
    ({"images": ["data:image/png;base64,AAAA"]}, [("images.0", "wrong_type")]),
    ({"images": [entry("x"), {"key": 5}]}, [("images.1.key", "wrong_type")]),
    ({"image_keys": [5, 6]}, [("image_keys.0", "wrong_type")]),
    (
        {"image_keys": {}, "settings": {"resolution": 1}},
        [("image_keys", "wrong_type"), ("settings.resolution", "wrong_type")],
    ),
    ({"images": [entry("x"), {}]}, [("images.1", "one_of")]),
    ({"images": [entry("x"), {"key": "a", "data": "b"}]}, [("images.1", "one_of")]),
    ({"images": [entry("x"), {"mime_type": "image/png", "key": None}]}, [("images.1", "one_of")]),
    ({"images": [entry("x"), {"data": "###"}]}, [("images.1", "bad_base64")]),
    (PAIR | {"blend_prompt": "x" * 2001}, [("blend_prompt", "too_long")]),
    (PAIR | {"settings": {"aspect_ratio": "7:3"}}, [("settings.aspect_ratio", "unsupported_choice")]),
]


async def blend(service: Any, body: Any = PAIR, **options: Any) -> Any:
    return await service.client.post(PATH, json=body, **options)


async def test_keys_entries_and_files_come_in_this_order_byte_for_byte(service: Any) -> None:
    first, second, third = [await uploaded(service, note) for note in ("first", "second", "third")]
    request = {"images": [entry("third"), {"key": third["key"]}], "image_keys": [second["key"], first["key"]]}
    response = await service.client.post(PATH, **form(("images", png("4")), ("images", png("5")), request=request))

    assert response.status_code == 200, response.text
    assert seen(service) == [png(note) for note in ("second", "first", "third", "third", "4", "5")]


async def test_the_answer_is_that_of_a_picture(service: Any) -> None:
    plain = await service.generated()
    body = (await blend(service, PAIR | {"blend_prompt": " both ", "settings": {"aspect_ratio": "1:1"}})).json()

    assert set(body) == set(plain)
    assert (body["mode"], body["prompt"], body["settings"]["aspect_ratio"]) == ("blend", "both", "1:1")
    assert (await service.client.get(f"/api/history/{body['id']}")).json()["item"]["mode"] == "blend"
    assert service.model.requests[-1].prompt == "both"


@pytest.mark.parametrize("prompt", [None, "", " "])
async def test_a_prompt_left_empty_is_the_labs(service: Any, prompt: str | None) -> None:
    assert (await blend(service, PAIR | {"blend_prompt": prompt})).json()["prompt"] == DEFAULT_PROMPT


async def test_a_picture_made_here_can_be_blended(service: Any) -> None:
    made = await service.generated()
    original = (await service.client.get(made["image"]["url"])).content
    await blend(service, {"image_keys": [made["image"]["key"]], "images": [entry("two")]})

    assert seen(service) == [original, png("two")]


async def test_a_form_needs_no_request_part_and_may_have_others(service: Any) -> None:
    files = [("images", png("1")), ("images", png("2")), ("csrf", b"token")]
    response = await service.client.post(PATH, **form(*files))

    assert (response.status_code, response.json()["prompt"]) == (200, DEFAULT_PROMPT)
    assert seen(service) == [png("1"), png("2")]


async def test_a_request_part_may_be_a_file_as_browsers_send_it(service: Any) -> None:
    files = [
        ("request", ("blob", b'{"blend_prompt": "both"}', "application/json")),
        *(("images", (None, png(note), "image/png")) for note in "12"),
    ]
    response = await service.client.post(PATH, files=files)

    assert (response.status_code, response.json()["prompt"]) == (200, "both")
    assert seen(service) == [png("1"), png("2")]


@pytest.mark.parametrize(("count", "kind"), [(0, "too_few"), (1, "too_few"), (15, "too_many"), (5000, "too_many")])
async def test_two_to_fourteen_pictures_are_needed(client: Any, wrong_fields: Any, count: int, kind: str) -> None:
    refused = await client.post(PATH, json={"images": [{"data": "!"}] * count})

    assert wrong_fields(refused) == [("images", kind)]


async def test_fourteen_of_every_kind_are_taken_and_one_more_is_not(service: Any, wrong_fields: Any) -> None:
    key = (await uploaded(service))["key"]
    files, request = [("images", png())] * 4, {"image_keys": [key] * 5, "images": [entry("x")] * 5}
    taken = await service.client.post(PATH, **form(*files, request=request))
    refused = await service.client.post(PATH, **form(*files, ("images", png()), request=request))

    assert (taken.status_code, len(seen(service))) == (200, 14)
    assert wrong_fields(refused) == [("images", "too_many")]


@pytest.mark.parametrize(("body", "errors"), BAD, ids=lambda value: str(value)[:60])
async def test_bad_input_is_named(refusing: Any, wrong_fields: Any, body: Any, errors: Any) -> None:
    assert wrong_fields(await refusing.post(PATH, json=body)) == errors


async def test_bad_input_costs_nothing(open_service: Any) -> None:
    async with open_service(**TRIAL) as service:
        before = await state(service)
        refused = [await service.client.post(PATH, json=body) for body, _ in BAD]

        assert {response.status_code for response in refused} == {422}
        assert before == await state(service)


@pytest.mark.parametrize(
    ("sent", "field"),
    [
        ({"json": {"images": [entry("x"), {"data": encoded(b"<svg/>")}]}}, "images.1"),
        (form(("images", png()), ("images", b"\x89PNG no more")), "images.1"),
    ],
    ids=["an entry", "a file"],
)
async def test_what_is_no_picture_is_named_and_costs_nothing(
    open_service: Any, is_problem: Any, sent: dict[str, Any], field: str
) -> None:
    async with open_service(**TRIAL) as service:
        before = await state(service)
        problem = is_problem(await service.client.post(PATH, **sent), 422, "invalid_image")

        assert (problem["error"]["details"]["field"], problem["detail"][: len(field) + 2]) == (field, f"{field}: ")
        assert before == await state(service)


async def test_anothers_key_is_answered_like_one_that_never_was(service: Any, is_problem: Any) -> None:
    theirs = (await uploaded(service, headers=ALICE))["key"]
    before = await state(service)
    refused = [
        is_problem(await blend(service, PAIR | {"image_keys": [key]}, headers=BOB), 404, "image_not_found")
        for key in (theirs, theirs.replace("alice", "bob"), theirs[:-9] + "00000.png", "")
    ]

    assert {problem["detail"] for problem in refused} == {"image_keys.0: There is no such picture."}
    assert all(problem["error"]["details"] == {"field": "image_keys.0"} for problem in refused)
    assert before == await state(service)


async def test_a_blend_costs_two_points(open_service: Any) -> None:
    async with open_service(**TRIAL) as service:
        await blend(service)
        usage = (await service.client.get("/api/quota")).json()

        assert (usage["global_used"], usage["modes"]["blend"]["used"]) == (2, 1)


async def test_a_callers_key_pays(open_service: Any) -> None:
    async with open_service(**TRIAL) as service:
        response = await blend(service, headers={"X-API-Key": "own-key"})

        assert (response.status_code, len(service.keyed.requests), service.model.requests) == (200, 1, [])
        assert (await service.client.get("/api/quota")).json()["global_used"] == 0


async def test_a_repeated_form_is_answered_with_the_first_outcome(service: Any, wrong_fields: Any) -> None:
    key, files = {"Idempotency-Key": "k"}, [("images", png("1")), ("images", png("2"))]
    first, repeat = [await service.client.post(PATH, **form(*files), headers=key) for _ in range(2)]
    other = await service.client.post(PATH, **form(*files[::-1]), headers=key)

    assert (repeat.content, repeat.headers["idempotency-replayed"]) == (first.content, "true")
    assert wrong_fields(other) == [("Idempotency-Key", "used_for_another_request")]
    assert len(service.model.requests) == 1


async def test_a_key_is_free_again_after_a_refused_picture(service: Any) -> None:
    key = {"Idempotency-Key": "k"}
    refused = await blend(service, {"images": [entry("x"), {"data": "AAAA"}]}, headers=key)

    assert [refused.status_code, (await blend(service, headers=key)).status_code] == [422, 200]
