"""Which language a client likes best (RFC 9110 section 12.5.4, RFC 4647)."""

import time

import pytest

from nano_banana_lab.http.accept_language import best_language
from nano_banana_lab.http.messages import negotiate

QUALITIES = [
    ("zh;q=0.3, en;q=0.2", "zh"),
    ("zh;q=0.299, en;q=0.3", "en"),
    ("zh;q=0.001", "zh"),
    ("zh ; q=1.000 , en", "zh"),
    ("zh;Q=0.5,en;q=0.6", "en"),
    ("zh;q=1.,en;q=0.", "zh"),
    ("en;q=0.5,zh;q=0.5", "en"),
    ("zh,en", "zh"),
    ("\tzh\t,,en;q=0.9", "zh"),
]
MALFORMED = [
    "zh;q=1.1",
    "zh;q=.5",
    "zh;q=0.1234",
    "zh;q=-1",
    "zh;q=nan",
    "zh;q=",
    "zh;q",
    "zh;",
    "zh;level=1",
    "zh;q=1;x=1",
]
MALFORMED += [
    "zh;q=1e0",
    "zh_CN",
    "zh-",
    "-zh",
    "zh--CN",
    "z h",
    "zh;q=\u0661",
    "zhongguohua",
    "zh-*",
    "中",
    "**",
    "zh;q =1",
]
NOT_FOUND = [None, "", " ", "fr", "fr-CH, de;q=0.9", "z", ";;;,,q=,=", "x" * 10_000, "i-klingon", "zhx", "x-zh"]


@pytest.mark.parametrize(("header", "language"), QUALITIES)
def test_the_highest_quality_wins_and_of_equal_ones_the_first(header: str, language: str) -> None:
    assert language == negotiate(header, "en")


@pytest.mark.parametrize("header", NOT_FOUND)
def test_who_names_no_language_we_have_gets_the_default(header: str | None) -> None:
    assert (negotiate(header, "en"), negotiate(header, "zh")) == ("en", "zh")


@pytest.mark.parametrize("item", MALFORMED)
def test_a_malformed_range_is_passed_over_and_the_others_are_not(item: str) -> None:
    assert (negotiate(item, "en"), negotiate(f"{item}, zh;q=0.1", "en")) == ("en", "zh")


@pytest.mark.parametrize("range_", ["zh", "ZH", "zh-CN", "zh-Hant-TW", "zh-Hans-CN-x-private", "zh-cmn-Hans-CN"])
def test_a_range_is_content_with_a_more_general_language(range_: str) -> None:
    assert negotiate(f"fr, {range_};q=0.8, en;q=0.7", "en") == "zh"


def test_the_most_special_language_that_fits_is_taken() -> None:
    available = ["en", "zh", "zh-Hant"]

    assert best_language("zh-hant-TW", available, otherwise=["en"]) == "zh-Hant"
    assert best_language("zh-TW", available, otherwise=["en"]) == "zh"
    assert best_language("de", available, otherwise=["en"]) == "en"


@pytest.mark.parametrize(
    ("header", "default", "language"),
    [
        ("*", "en", "en"),
        ("*", "zh", "zh"),
        ("fr, *;q=0.1", "zh", "zh"),
        ("en;q=0.5, *", "en", "zh"),
        ("en, *;q=0.5", "zh", "en"),
        ("en;q=0, *", "en", "zh"),
        ("zh;q=0, *;q=0.1", "zh", "en"),
        ("*;q=0", "zh", "zh"),
        ("zh, *;q=0", "en", "zh"),
        ("*, *, *;q=0.3", "en", "en"),
    ],
)
def test_a_wildcard_stands_for_what_no_other_range_names(header: str, default: str, language: str) -> None:
    assert language == negotiate(header, default)


@pytest.mark.parametrize(
    ("header", "default", "language"),
    [
        ("zh;q=0", "zh", "en"),
        ("zh;q=0, zh-CN", "en", "en"),
        ("zh-CN;q=0, zh", "en", "zh"),
        ("zh;q=0.000, en;q=0.1", "zh", "en"),
        ("en;q=0", "en", "zh"),
        ("fr, en;q=0", "en", "zh"),
        ("en;q=0, zh;q=0", "zh", "zh"),
        ("en;q=0", "zh", "zh"),
    ],
)
def test_what_is_refused_is_sent_only_when_nothing_else_is_wanted(header: str, default: str, language: str) -> None:
    assert language == negotiate(header, default)


def test_a_default_that_does_not_exist_is_english() -> None:
    assert negotiate("fr", "klingon") == "en"


@pytest.mark.parametrize("item", ["fr,", ",", "*,", "a-", "*;q=0,", "zh;q=0,", "fr" + "\t" * 99, ";q=0.1", "zh-a"])
def test_a_huge_header_is_cheap(item: str) -> None:
    header = item * (1_000_000 // len(item))
    started = time.process_time()
    negotiate(header, "en")

    assert time.process_time() - started < 0.2
