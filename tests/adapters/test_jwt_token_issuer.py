"""What is peculiar to tokens that are JSON: their claims, their header, and the junk that can stand in both."""

import base64
import hashlib
import hmac
import json
from datetime import UTC, datetime, timedelta
from typing import Any

import jwt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from nano_banana_lab.adapters.jwt.token_issuer import JwtTokenIssuer
from nano_banana_lab.core.identity.ports import AuthenticationFailed, Claims
from nano_banana_lab.core.identity.user import User, github_folder, new_guest
from nano_banana_lab.core.shared.clock import SystemClock
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.testing.frozen_clock import START, FrozenClock

SECRET = Secret("a secret of the lab, of at least 32 characters")
KEY = hashlib.sha256(b"jwt:" + SECRET.reveal().encode()).digest()
WEEK = timedelta(days=7)
OCTOCAT = User(id="583231", login="octocat", name="The Octocat", user_folder_id=github_folder("583231"))
HEADER = {"alg": "HS256", "typ": "JWT"}
NOW = int(START.timestamp())

anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters(), max_size=20),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=6,
)


def issuer_at(clock: FrozenClock | None = None, lifetime: timedelta = WEEK) -> JwtTokenIssuer:
    return JwtTokenIssuer(SECRET, clock=clock or FrozenClock(), lifetime=lifetime)


ISSUER = issuer_at()
CLAIMS = jwt.decode(ISSUER.issue(OCTOCAT)[0].reveal(), options={"verify_signature": False})


def segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(header: Any, claims: Any, key: bytes = KEY) -> str:
    """By RFC 7515, with the standard library; bytes are taken for JSON as they are."""
    text = ".".join(
        segment(each if isinstance(each, bytes) else json.dumps(each).encode()) for each in (header, claims)
    )
    return f"{text}.{segment(hmac.digest(key, text.encode(), 'sha256'))}"


def is_refused(token: str) -> bool:
    """Fails for any other exception than the one that is promised."""
    try:
        assert isinstance(ISSUER.read(token), Claims)
    except AuthenticationFailed:
        return True
    return False


def test_a_token_is_a_json_web_token_that_others_can_check():
    token = ISSUER.issue(OCTOCAT)[0].reveal()
    header, payload, _ = token.split(".")

    assert json.loads(base64.urlsafe_b64decode(header + "==")) == HEADER
    assert signed(base64.urlsafe_b64decode(header + "=="), base64.urlsafe_b64decode(payload + "==")) == token


def test_the_claims_are_the_registered_ones_and_the_profile():
    assert {**CLAIMS, "jti": "..."} == {
        "iss": "nano-banana-lab",
        "sub": "583231",
        "jti": "...",
        "iat": NOW,
        "exp": NOW + 604800,
        "user": {
            "id": "583231",
            "login": "octocat",
            "name": "The Octocat",
            "email": None,
            "avatar_url": None,
            "user_folder_id": "6fac44aa6f9ae93e",
        },
    }


def test_a_token_made_by_hand_with_the_right_key_is_read():
    assert ISSUER.read(signed(HEADER, CLAIMS)).user == OCTOCAT


@pytest.mark.parametrize("claim", ["exp", "iat", "iss", "jti", "sub", "user"])
def test_no_claim_may_be_missing(claim):
    assert is_refused(signed(HEADER, {name: value for name, value in CLAIMS.items() if name != claim}))


@pytest.mark.parametrize("name", ["id", "login", "user_folder_id"])
def test_nothing_that_a_user_needs_may_be_missing(name):
    user = {field: value for field, value in CLAIMS["user"].items() if field != name}

    assert is_refused(signed(HEADER, CLAIMS | {"user": user}))


@pytest.mark.parametrize(
    "odd",
    [
        {"iss": "somebody else"},
        {"iss": ["nano-banana-lab"]},
        {"sub": 583231},
        {"jti": "../../etc"},
        {"jti": "0" * 32 + "\n"},
        {"jti": 7},
        {"aud": "another service"},
        {"exp": str(NOW + 60)},
        {"exp": NOW + 60.5},
        {"exp": True},
        {"exp": None},
        {"exp": 10**30},
        {"exp": float("inf")},
        {"exp": float("nan")},
        {"iat": -1},
        {"iat": [NOW]},
        {"user": "octocat"},
        {"user": CLAIMS["user"] | {"login": None}},
    ],
    ids=repr,
)
def test_every_claim_has_its_type_and_its_range(odd):
    assert is_refused(signed(HEADER, CLAIMS | odd))


@pytest.mark.parametrize(
    "header",
    [
        {**HEADER, "kid": "1"},
        {**HEADER, "kid": "../../dev/null"},
        {**HEADER, "kid": 1},
        {**HEADER, "crit": ["exp"]},
        {**HEADER, "crit": ["b64"], "b64": True},
        {**HEADER, "crit": ["b64"], "b64": False},
        {**HEADER, "jwk": {"kty": "oct", "k": segment(KEY)}},
        {**HEADER, "jku": "https://example.org/keys"},
        {**HEADER, "typ": "at+jwt"},
        {"alg": "HS256"},
        {"typ": "JWT"},
        {**HEADER, "alg": "none"},
        {**HEADER, "alg": "hs256"},
        {**HEADER, "alg": "HS512"},
        {**HEADER, "alg": "RS256"},
        {**HEADER, "alg": ["HS256"]},
        {**HEADER, "alg": {"HS256": 1}},
        [HEADER],
        "HS256",
        b"",
        b"\xff\xfe",
        b"[" * 20_000,
        b'{"alg":' * 5_000,
        b"9" * 10_000,
    ],
    ids=lambda header: ascii(header)[:40],
)
def test_only_the_one_header_is_known_even_under_a_right_signature(header):
    assert is_refused(signed(header, CLAIMS))


@pytest.mark.parametrize("payload", [b"", b"null", b"[]", b"\xff", b"[" * 20_000, b"9" * 10_000, b'{"exp":'], ids=ascii)
def test_a_payload_that_is_no_object_is_refused_even_under_a_right_signature(payload):
    assert is_refused(signed(HEADER, payload))


@given(st.text(st.characters(), max_size=200) | st.from_regex(r"[\w-]{0,40}(\.[\w-]{0,40}){2}", fullmatch=True))
def test_no_text_at_all_is_taken_for_a_token(text):
    assert is_refused(text)


@given(
    anything | st.fixed_dictionaries({"alg": anything | st.just("HS256")}, optional={"kid": anything, "crit": anything})
)
def test_no_other_header_is_taken_under_a_right_signature(header):
    assert is_refused(signed(header, CLAIMS)) or header == HEADER


@given(
    st.sampled_from(sorted(CLAIMS)),
    anything,
    st.dictionaries(st.sampled_from(["nbf", "aud", "x"]), anything, max_size=2),
)
def test_whatever_a_signed_claim_holds_a_reader_gets_claims_or_the_one_refusal(claim, value, more):
    is_refused(signed(HEADER, CLAIMS | more | {claim: value}))  # which fails for any other outcome


@given(st.binary(max_size=200))
def test_no_bytes_under_a_right_signature_are_taken_for_claims(payload):
    assert is_refused(signed(HEADER, payload))


profiles = st.builds(
    User,
    id=st.integers(1, 2**63 - 1).map(str),
    login=st.text(min_size=1, max_size=512),
    name=st.none() | st.text(max_size=512),
    email=st.none() | st.text(max_size=512),
    avatar_url=st.none() | st.text(max_size=512),
    user_folder_id=st.from_regex(r"[a-z0-9-]{1,40}", fullmatch=True),
)


@given(profiles, st.datetimes(datetime(2000, 1, 1), datetime(2200, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001 - hypothesis adds the time zone
def test_whoever_it_is_and_whenever_what_was_issued_is_read(user, moment):
    issuer = issuer_at(FrozenClock(moment))

    token, claims = issuer.issue(user)

    assert issuer.read(token.reveal()) == claims


@pytest.mark.parametrize(("ahead", "holds"), [(-30, True), (30, True), (31, False), (3600, False)], ids=str)
def test_a_token_from_the_future_is_only_believed_as_far_as_clocks_may_differ(ahead, holds):
    elsewhere = issuer_at(FrozenClock(START + timedelta(seconds=ahead)))

    assert is_refused(elsewhere.issue(OCTOCAT)[0].reveal()) is not holds


@pytest.mark.parametrize("microsecond", [0, 1, 499_999, 500_000, 500_001, 999_999])
def test_a_token_lasts_as_many_seconds_as_was_configured_whenever_it_was_issued(microsecond):
    clock = FrozenClock(START.replace(microsecond=microsecond))
    _, claims = issuer_at(clock).issue(OCTOCAT)

    assert round((claims.expires_at - clock.now()).total_seconds()) == 604800


def test_by_the_real_clock_a_fresh_token_holds():
    issuer = JwtTokenIssuer(SECRET, clock=SystemClock(), lifetime=timedelta(seconds=1))
    token, claims = issuer.issue(new_guest())

    assert issuer.read(token.reveal()) == claims


def test_a_signature_for_another_purpose_is_no_token():
    cursor_key = hashlib.sha256(b"cursor:" + SECRET.reveal().encode()).digest()

    assert is_refused(signed(HEADER, CLAIMS, cursor_key))


def test_an_issuer_does_not_print_its_secret():
    assert SECRET.reveal() not in repr(ISSUER) + repr(vars(ISSUER))
