"""The sentence of an error, in the language the client likes best."""

import ast
import importlib
import json
import pkgutil
import string
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import nano_banana_lab
import nano_banana_lab.http.errors
from nano_banana_lab.core.generation.ports import ContentBlocked
from nano_banana_lab.core.history.ports import InvalidImage
from nano_banana_lab.core.shared.errors import (
    EITHER,
    FIELD_SENTENCES,
    FIELD_WORDS,
    FieldError,
    LabError,
    ValidationFailed,
    family,
)  # fmt: skip
from nano_banana_lab.core.storage.ports import StoreUnavailable
from nano_banana_lab.core.tasks.task import Failure
from nano_banana_lab.http import messages
from nano_banana_lab.http.errors import STATUS_BY_CODE
from nano_banana_lab.http.messages import ENGLISH, Language, catalogues, field_message, sentence, sentence_of

for module in pkgutil.walk_packages(nano_banana_lab.__path__, "nano_banana_lab."):
    if not module.name.endswith("__main__"):
        importlib.import_module(module.name)  # so that no error is missed

ERRORS = sorted(
    {error for error in family() if error.__module__.startswith("nano_banana_lab.")},
    key=lambda error: (error.__module__, error.__name__),
)
LANGUAGES = sorted(catalogues())
TRANSLATED = [language for language in LANGUAGES if language != ENGLISH]
SOURCES = Path(nano_banana_lab.__file__).parent


def calls(name: str) -> Iterator[ast.Call]:
    """Every call of that name in the code."""
    for file in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(file.read_text("utf-8"))):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == name:
                yield node


def texts(nodes: list[ast.expr]) -> set[str]:
    return {node.value for node in nodes if isinstance(node, ast.Constant) and isinstance(node.value, str)}


def said_in_answers() -> set[str]:
    """The sentences of successful answers: all that is made a `Sentence`, of which each must be a literal."""
    found = [argument for call in calls("Sentence") for argument in call.args]
    assert len(texts(found)) > 0
    assert all(isinstance(argument, ast.Constant) for argument in found)
    return texts(found)


def words() -> set[str]:
    return {EITHER, *FIELD_WORDS.values(), *(word for error in ERRORS for word in error.words.values())}


SAID = {error.sentence for error in ERRORS} | set(FIELD_SENTENCES.values()) | said_in_answers() | words()


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def bare(error: type[LabError]) -> LabError:
    """The error without any detail, however it is usually made."""
    made = error.__new__(error)
    made.details = {}
    return made


@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_status(error: type[LabError]) -> None:
    assert 400 <= STATUS_BY_CODE[error.code] <= 599


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("error", ERRORS, ids=lambda error: error.__name__)
def test_every_error_has_a_sentence_with_and_without_its_details(error: type[LabError], language: Language) -> None:
    without = bare(error)
    filled = bare(error)
    filled.details = dict.fromkeys(placeholders(error.sentence), "XYZ")

    assert "{" not in sentence(without, language) != ""
    assert ("XYZ" in sentence(filled, language)) is bool(placeholders(error.sentence))


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", FIELD_SENTENCES)
def test_every_field_sentence_can_be_filled(kind: str, language: Language) -> None:
    limits = dict.fromkeys(placeholders(FIELD_SENTENCES[kind]), 7)

    assert "{" not in field_message(FieldError(field="x", type=kind, limits=limits), language)


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_language_says_everything_english_says_and_nothing_else(language: Language) -> None:
    translated = catalogues()[language]

    assert set() == SAID - set(translated)
    assert set() == set(translated) - SAID
    assert [text for text in translated if placeholders(text) != placeholders(translated[text])] == []
    assert [text for text in translated if not translated[text].strip()] == []


@pytest.mark.parametrize("language", TRANSLATED)
def test_a_catalogue_is_plain_json_in_the_order_of_its_keys(language: Language) -> None:
    text = (SOURCES / "http/messages" / f"{language}.json").read_text("utf-8")

    assert text == json.dumps(json.loads(text), ensure_ascii=False, indent=2, sort_keys=True) + "\n"


def test_every_word_that_fills_a_sentence_is_declared() -> None:
    reasons = texts([each.value for call in calls("InvalidImage") for each in call.keywords if each.arg == "reason"])
    stores = texts([argument for call in calls("StoreUnavailable") for argument in call.args])

    assert set(InvalidImage.words) == reasons
    assert set(StoreUnavailable.words) == stores


@pytest.mark.parametrize(
    ("english", "chinese", "error"),
    [
        (
            "This is not a usable picture (not an image).",
            "此图片无法使用（不是图片文件）。",
            InvalidImage(reason="not_an_image"),
        ),
        (
            "The blob store is not available right now; please try again shortly.",
            "文件存储暂时不可用，请稍后重试。",
            StoreUnavailable("blob store"),
        ),
        (
            "The image service's safety filter blocked this request (SAFETY); please rephrase the prompt.",
            "图像服务的安全过滤器拦截了此请求（SAFETY），请修改提示词后重试。",
            ContentBlocked(reason="SAFETY"),
        ),
    ],
    ids=["reason", "store", "a word of Google's"],
)
def test_what_fills_a_sentence_reads_well_in_it(english: str, chinese: str, error: LabError) -> None:
    kept = Failure.of(error)

    assert (english, chinese) == (sentence(error, ENGLISH), sentence(error, Language("zh")))
    assert chinese == sentence_of(kept.sentence, kept.details, Language("zh"))


def test_types_of_a_field_are_words_too() -> None:
    error = FieldError(field="x", type="wrong_type", limits={"expected": "string or null", "got": "integer"})

    assert field_message(error, ENGLISH) == "Expected string or null, got integer."
    assert field_message(error, Language("zh")) == "应为字符串或null，实际为整数。"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of the catalogues, empty."""
    monkeypatch.setattr(messages, "FOLDER", tmp_path)
    catalogues.cache_clear()
    yield tmp_path
    catalogues.cache_clear()


async def test_a_language_is_one_file(folder: Path, open_service: Any) -> None:
    (folder / "xx.json").write_text('{"There is nothing here.": "Xx xx."}')
    async with open_service(DEFAULT_LANGUAGE="xx") as service:
        said = (await service.client.get("/nope")).json()["detail"]
        untranslated = (await service.client.put("/api/history/stats")).json()["detail"]

    assert (said, untranslated) == ("Xx xx.", "This method is not allowed here.")


CHINESE = "zh-CN,zh;q=0.9,en;q=0.5"
NOTHING_HERE = {"en": "There is nothing here.", "zh": "这里没有任何内容。"}


@pytest.mark.parametrize(
    ("settings", "header", "language"),
    [
        ({}, CHINESE, "zh"),
        ({}, "fr", "en"),
        ({}, None, "en"),
        ({"DEFAULT_LANGUAGE": "zh"}, None, "zh"),
        ({"DEFAULT_LANGUAGE": "zh"}, "fr", "zh"),
        ({"DEFAULT_LANGUAGE": "zh"}, "en-GB", "en"),
    ],
)
async def test_an_error_is_told_in_the_language_of_its_reader(
    open_service: Any, settings: dict[str, str], header: str | None, language: str
) -> None:
    async with open_service(**settings) as service:
        response = await service.client.get("/nope", headers={"Accept-Language": header} if header else {})

    assert NOTHING_HERE[language] == response.json()["detail"] == response.json()["error"]["message"]
    assert (language, "Accept-Language") == (response.headers["content-language"], response.headers["vary"])


async def test_several_lines_of_the_header_are_one(refusing: Any) -> None:
    response = await refusing.get(
        "/nope", headers=[("Accept-Language", "fr, en;q=0.2"), ("Accept-Language", "zh;q=0.3")]
    )

    assert response.headers["content-language"] == "zh"


async def test_every_field_is_told_in_the_language(refusing: Any) -> None:
    body = {"prompt": 7, "settings": {"resolution": "8K"}}
    response = await refusing.post("/api/generate", json=body, headers={"Accept-Language": CHINESE})

    problem = response.json()
    assert problem["detail"] == "prompt: 应为字符串，实际为整数。 settings.resolution: 只能是以下之一：1K, 2K, 4K。"
    assert problem["error"]["details"]["errors"][0]["message"] == "应为字符串，实际为整数。"


async def test_answers_that_say_something_are_told_in_the_language(service: Any) -> None:
    client, chinese = service.client, {"Accept-Language": CHINESE}
    picture = (await service.generated())["id"]
    chat = (await client.post("/api/chat")).json()["session_id"]
    answers = [
        await client.delete(f"/api/history/{picture}", headers=chinese),
        await client.request("DELETE", "/api/history", json={"ids": ["x"]}, headers=chinese),
        await client.delete(f"/api/chat/{chat}", headers=chinese),
        await client.post("/api/auth/logout", headers=chinese),
    ]

    assert [answer.json()["message"] for answer in answers] == [
        "已删除 1 张图片。",
        "已删除 0 张图片。",
        "对话已删除，其中的图片仍保留在历史记录中。",
        "已退出登录。",
    ]
    assert {("zh", "Accept-Language")} == {(each.headers["content-language"], each.headers["vary"]) for each in answers}


async def test_why_the_trial_would_not_pay_is_told_in_the_language(client: Any) -> None:
    asked = {"mode": "sculpture"}
    response = await client.post("/api/quota/check", json=asked, headers={"Accept-Language": "zh-Hant-TW"})

    assert response.json()["reason"].startswith("没有这种模式，可用的模式有：basic_1k, ")
    assert response.headers["content-language"] == "zh"


async def test_the_language_leaves_the_rules_of_origin_alone(open_service: Any) -> None:
    settings = {"ENVIRONMENT": "production", "SECRET_KEY": "p" * 40, "CORS_ORIGINS": "https://app.test"}
    headers = {"Origin": "https://app.test", "Accept-Language": "zh"}
    async with open_service(**settings) as service:
        told = await service.client.get("/nope", headers=headers)
        silent = await service.client.get("/api/history", headers=headers)

    assert told.headers.get_list("vary") == ["Origin, Accept-Language"]
    assert silent.headers.get_list("vary") == ["Origin"]
    assert "content-language" not in silent.headers


@given(st.lists(st.binary(max_size=60), max_size=3))
def test_no_header_whatsoever_fails(lines: list[bytes]) -> None:
    header = ",".join([line.decode("latin-1") for line in lines])

    assert messages.negotiate(header, "en") in LANGUAGES


@given(header=st.binary(max_size=80))
async def test_no_header_whatsoever_makes_a_request_fail(refusing_app: Any, header: bytes) -> None:
    heard: list[Any] = []
    scope = {
        "type": "http", "method": "GET", "path": "/nope", "raw_path": b"/nope", "root_path": "", "query_string": b"",
        "headers": [(b"accept-language", header)], "http_version": "1.1", "scheme": "http",
        "server": ("lab.test", 80), "client": ("127.0.0.1", 1), "extensions": {},
    }  # fmt: skip

    async def receive() -> Any:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: Any) -> None:
        heard.append(message)

    await refusing_app(scope, receive, send)

    assert heard[0]["status"] == 404


def test_validation_errors_are_one_sentence_with_every_field() -> None:
    error = ValidationFailed([FieldError(field="a", type="blank"), FieldError(field="", type="invalid_json")])

    assert nano_banana_lab.http.errors._detail(error, ENGLISH) == (
        "a: This field must not be empty. The body is not valid JSON."
    )
