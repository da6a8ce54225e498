"""The stand-in for Gemini: as lenient as Google, as strict as Google, and honest about what it saw."""

import base64
import hashlib
import io
import subprocess
import sys
import threading
from collections.abc import Iterator

import httpx2
import msgspec
import pytest
from PIL import Image

from nano_banana_lab.testing import gemini
from nano_banana_lab.testing.gemini import GeminiDouble, running_gemini
from nano_banana_lab.testing.gemini.pictures import CONTENT_CREDENTIALS, jpeg
from nano_banana_lab.testing.gemini.requests import fingerprint
from nano_banana_lab.testing.gemini.scenarios import MEANINGS

PRO = "/v1beta/models/gemini-3-pro-image:generateContent"
KEY = {"x-goog-api-key": "k"}


@pytest.fixture(scope="module")
def double() -> Iterator[GeminiDouble]:
    with running_gemini() as double:
        yield double


@pytest.fixture
def http(double: GeminiDouble) -> Iterator[httpx2.Client]:
    double.clear()
    with httpx2.Client(base_url=double.url, headers=KEY, trust_env=False, timeout=30) as http:
        yield http


def asking(text: str = "a cat", *, parts=(), **image):
    config = {"generationConfig": {"imageConfig": image}} if image else {}
    return {"contents": [{"role": "user", "parts": [{"text": text}, *parts]}], **config}


def message(answer: httpx2.Response) -> str:
    return answer.json()["error"]["message"]


def pictures_in(answer: httpx2.Response) -> list[bytes]:
    parts = answer.json()["candidates"][0]["content"]["parts"]
    return [base64.b64decode(part["inlineData"]["data"]) for part in parts if "inlineData" in part]


def test_a_picture_decodes_and_carries_content_credentials(http):
    (data,) = pictures_in(http.post(PRO, json=asking(aspect_ratio="3:2", image_size="2K")))

    assert Image.open(io.BytesIO(data)).size == (2528, 1696)
    assert CONTENT_CREDENTIALS in data


def test_a_picture_can_be_made_heavier(http):
    (light,), (heavy,) = (
        pictures_in(http.post(PRO, json=asking(text))) for text in ("a cat", "a cat [[weight 200000]]")
    )

    assert 200_000 <= len(heavy) - len(light) <= 200_100
    assert Image.open(io.BytesIO(heavy)).size == Image.open(io.BytesIO(light)).size


def test_the_same_prompt_gives_the_same_picture_and_another_prompt_another(http):
    first, second, other = (pictures_in(http.post(PRO, json=asking(text)))[0] for text in ("a", "a", "b"))

    assert first == second
    assert first != other


@pytest.mark.parametrize("path", [PRO, PRO.replace("v1beta", "v1"), f"/any/prefix{PRO}"])
def test_every_version_and_prefix_is_served(http, path):
    assert http.post(path, json=asking()).status_code == 200


def test_snake_case_and_camel_case_may_be_mixed(http, double):
    body = asking("a cat [[thoughts]]")
    body |= {"generation_config": {"imageConfig": {"aspect_ratio": "1:1"}}, "tools": [{"google_search": {}}]}
    answer = http.post(PRO, json=body)

    assert "groundingMetadata" in answer.json()["candidates"][0]
    assert double.requests[-1].body["generationConfig"]["imageConfig"] == {"aspectRatio": "1:1"}


@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
@pytest.mark.parametrize("padding", ["=", ""])
def test_pictures_may_come_in_either_alphabet_padded_or_not(http, double, encode, padding):
    data = encode(jpeg((8, 8), "in")).decode().rstrip("=")
    data += padding * (-len(data) % 4)
    http.post(PRO, json=asking(parts=[{"inline_data": {"mime_type": "image/jpeg", "data": data}}]))

    assert f"sha256:{hashlib.sha256(jpeg((8, 8), 'in')).hexdigest()}" == sent_picture(double)


def sent_picture(double: GeminiDouble) -> str:
    return double.requests[-1].body["contents"][0]["parts"][1]["inlineData"]["data"]


@pytest.mark.parametrize(
    ("key", "status", "reason"),
    [("", 403, "unregistered callers"), ("invalid", 400, "API key not valid"), ("leaked", 403, "reported as leaked")],
)
def test_bad_keys_are_refused_as_google_does(http, key, status, reason):
    answer = http.post(PRO, json=asking(), headers={"x-goog-api-key": key})

    assert status == answer.status_code
    assert reason in message(answer)


def test_a_key_in_the_query_counts(http):
    http.headers.pop("x-goog-api-key")

    assert http.post(f"{PRO}?key=k", json=asking()).status_code == 200


@pytest.mark.parametrize("model", ["gemini-3-pro-image-preview", "gemini-3.1-flash-image", "unheard-of"])
def test_retired_and_unknown_models_are_not_found(http, model):
    asked = http.post(f"/v1beta/models/{model}:generateContent", json=asking())
    looked_up = http.get(f"/v1beta/models/{model}")

    assert (asked.status_code, looked_up.status_code) == (404, 404)
    assert f"models/{model} is not found for API version v1beta" in message(asked)


def test_models_are_listed_and_described(http):
    listed = http.get("/v1beta/models").json()["models"]

    assert "models/gemini-3-pro-image" in [model["name"] for model in listed]
    assert "generateContent" in http.get("/v1/models/gemini-3-pro-image").json()["supportedGenerationMethods"]


@pytest.mark.parametrize(
    "body",
    [
        asking(imageSize="1k"),
        asking(imageSize="512px"),
        asking(aspectRatio="8:1"),
        asking(aspectRatio="wide"),
        asking(parts=[{"inlineData": {"mimeType": "image/png", "data": "AAAA"}}] * 15),
        {},
        asking("[[no-such-marker]]"),
    ],
)
def test_what_google_cannot_do_is_an_invalid_argument(http, body):
    answer = http.post(PRO, json=body)

    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_a_short_deadline_is_refused(http):
    answer = http.post(PRO, json=asking(), headers={"x-server-timeout": "5"})

    assert message(answer) == "Manually set deadline 5s is too short. Minimum allowed deadline is 10s."


def test_a_missing_signature_is_named_with_its_position(http):
    shown = http.post(PRO, json=asking()).json()["candidates"][0]["content"]
    shown["parts"][1].pop("thoughtSignature")
    answer = http.post(PRO, json={"contents": [*asking()["contents"], shown, *asking("blue")["contents"]]})

    assert "Image part is missing a thought_signature in content position 2, part position 2." in message(answer)


def test_a_picture_that_was_changed_on_the_way_is_refused(http):
    shown = http.post(PRO, json=asking()).json()["candidates"][0]["content"]
    shown["parts"][1]["inlineData"]["data"] = base64.b64encode(jpeg((8, 8), "other")).decode()
    answer = http.post(PRO, json={"contents": [shown, *asking("blue")["contents"]]})

    assert message(answer) == "Corrupted thought signature."


def test_a_marker_with_a_count_applies_that_often_for_each_prompt(http):
    answers = [http.post(PRO, json=asking("a [[503 x2]]")).status_code for _ in range(3)]
    others = [http.post(PRO, json=asking("b [[503 x2]]")).status_code for _ in range(3)]

    assert [503, 503, 200] == answers == others


def test_a_script_applies_to_every_prompt_until_everything_is_forgotten(http, double):
    http.post("/__double__/script", content="[[429]]")
    scripted = http.post(PRO, json=asking()).status_code
    http.delete("/__double__/requests")

    assert (scripted, http.post(PRO, json=asking()).status_code) == (429, 200)
    assert len(double.requests) == 1


def test_a_held_call_waits_until_it_is_released(http, double):
    answers = []
    call = threading.Thread(target=lambda: answers.append(http.post(PRO, json=asking("[[hold gate]]")).status_code))
    call.start()
    assert http.post(PRO, json=asking("meanwhile")).status_code == 200
    assert answers == []
    http.post("/__double__/release/gate")
    call.join(30)

    assert answers == [200]


def test_requests_are_remembered_without_their_keys(http, double):
    http.post(f"{PRO}?key=also-secret", json=asking(), headers={"x-goog-api-key": "very-secret"})
    told = http.get("/__double__/requests")

    assert [fingerprint("very-secret")] == [seen["key_sha256"] for seen in told.json()]
    assert "secret" not in told.text.replace(fingerprint("very-secret") or "", "")
    assert told.json() == msgspec.to_builtins(double.requests)


def test_the_front_page_lists_every_marker(http):
    assert {"503", "hold", "big"} <= http.get("/").json()["markers"].keys()


def test_text_models_answer_in_words(http):
    answer = http.post("/v1beta/models/gemini-3.8-flash:generateContent", json=asking("[[say hello]]"))

    assert answer.json()["candidates"][0]["content"]["parts"] == [{"text": "hello"}]


FLASH = "/v1beta/models/gemini-3.8-flash:generateContent"
TEXTS = {"type": "array", "minItems": 4, "maxItems": 4, "items": {"type": "string"}}
SCHEMA = {"type": "object", "properties": {"prompts": TEXTS}, "required": ["prompts"]}


def asking_for_json(text: str = "a cat", instruction: str = "Write prompts.", **config):
    form = {"responseMimeType": "application/json", "responseJsonSchema": SCHEMA, **config}
    return {"systemInstruction": {"parts": [{"text": instruction}]}, **asking(text), "generationConfig": form}


def written_by(http, **asked) -> list[str]:
    (part,) = http.post(FLASH, json=asking_for_json(**asked)).json()["candidates"][0]["content"]["parts"]
    return msgspec.json.decode(part["text"])["prompts"]


def test_a_text_model_follows_the_schema_of_the_request(http):
    prompts = written_by(http)

    assert len(set(prompts)) == 4
    assert all("a cat" in prompt for prompt in prompts)


def test_the_same_request_gives_the_same_prompts_and_another_request_others(http):
    assert written_by(http) == written_by(http)
    assert written_by(http) != written_by(http, text="a dog")


def test_the_older_way_to_name_a_schema_is_understood(http):
    schema = {"type": "OBJECT", "properties": {"prompts": {**TEXTS, "type": "ARRAY"}}}

    assert len(written_by(http, responseJsonSchema=None, response_schema=schema)) == 4


def test_prompts_are_in_the_language_of_the_instruction(http):
    assert all("色调" in prompt for prompt in written_by(http, instruction="撰写提示词。"))


@pytest.mark.parametrize(("marker", "count"), [("too-few", 3), ("too-many", 5)])
def test_a_marker_changes_how_many_prompts_are_written(http, marker, count):
    assert count == len(written_by(http, text=f"a cat [[{marker}]]"))


@pytest.mark.parametrize(
    ("marker", "is_spoilt"),
    [
        ("repeated", lambda prompts: len(set(prompts)) == 1),
        ("blank", lambda prompts: not "".join(prompts).strip(" \u200b")),
        ("too-long", lambda prompts: min(map(len, prompts)) > 2000),
        ("echo", lambda prompts: set(prompts) == {"A CAT"}),
        ("other-language", lambda prompts: all("，" in prompt for prompt in prompts)),
    ],
)
def test_a_marker_spoils_the_prompts(http, marker, is_spoilt):
    assert is_spoilt(written_by(http, text=f"a cat [[{marker}]]"))


@pytest.mark.parametrize(("marker", "start"), [("prose", "Here you are:"), ("wrong-schema", '{"answers":')])
def test_a_marker_spoils_the_form(http, marker, start):
    answer = http.post(FLASH, json=asking_for_json(f"a cat [[{marker}]]"))

    assert answer.json()["candidates"][0]["content"]["parts"][0]["text"].startswith(start)


def test_prompts_carry_no_markers(http):
    assert all("[[" not in prompt for prompt in written_by(http, text="a cat [[slow 0.01]]"))


@pytest.mark.parametrize(
    "config",
    [
        {"temperature": 1.0},
        {"top_p": 0.9},
        {"responseMimeType": "text/plain"},
        {"responseSchema": SCHEMA},
    ],
)
def test_what_a_text_model_does_not_take_is_an_invalid_argument(http, config):
    answer = http.post(FLASH, json=asking_for_json(**config))

    assert (answer.status_code, answer.json()["error"]["status"]) == (400, "INVALID_ARGUMENT")


def test_a_model_that_makes_pictures_has_no_json_mode(http):
    answer = http.post(PRO, json=asking_for_json())

    assert message(answer) == "JSON mode is not enabled for models/gemini-3-pro-image"


def test_the_text_model_is_known(http):
    assert http.get("/v1beta/models/gemini-3.8-flash").json()["name"] == "models/gemini-3.8-flash"


def test_it_can_be_served_by_itself():
    command = [sys.executable, "-u", "-m", "nano_banana_lab.testing.gemini", "--port", "0"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = process.stdout.readline().split()[-1]
        try:
            answer = httpx2.get(f"{url}/v1beta/models", headers=KEY, trust_env=False)
        finally:
            process.terminate()

    assert answer.status_code == 200


def test_the_package_names_every_marker():
    assert [name for name in MEANINGS if name not in (gemini.__doc__ or "")] == []
