"""What every `TokenIssuer` promises, and the issuers that keep it.

A binding gives the suite an issuer whose tokens hold for `LIFETIME`, and these hooks: `let_time_pass`;
`elsewhere` is an issuer of another process, with its own secret or a clock that is off by some seconds;
`forgeries` are what somebody without the secret, or with another algorithm, could make of a token.
"""

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import timedelta

import pytest

from nano_banana_lab.adapters.jwt.token_issuer import JwtTokenIssuer
from nano_banana_lab.core.identity.ports import AuthenticationFailed, TokenIssuer
from nano_banana_lab.core.identity.user import User, github_folder, new_guest
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.testing.frozen_clock import FrozenClock

LIFETIME = timedelta(hours=1)
OCTOCAT = User(
    id="583231",
    login="octocat",
    name="The Octocat",
    email="octocat@example.org",
    avatar_url="https://example.org/octocat.png",
    user_folder_id=github_folder("583231"),
)
USERS = [
    OCTOCAT,
    User(id="1", login="a", user_folder_id=github_folder("1")),
    User(id="2", login="名前", name='🍌 "\\\n\0', email="ü@example.org", user_folder_id=github_folder("2")),
    User(id="9" * 19, login="x" * 512, name="🍌" * 512, user_folder_id=github_folder("9" * 19)),
    new_guest(),
]


class TokenIssuerContract:
    """The promises. A subclass provides the fixture `issuer` and the hooks."""

    def let_time_pass(self, seconds: float) -> None:
        raise NotImplementedError

    def elsewhere(self, *, secret: str | None = None, seconds_ahead: float = 0) -> TokenIssuer:
        raise NotImplementedError

    def forgeries(self, token: str) -> Mapping[str, str]:
        raise NotImplementedError

    @pytest.mark.parametrize("user", USERS, ids=lambda user: ascii(user.login[:5]))
    def test_a_token_says_what_was_said_when_it_was_issued(self, issuer, user):
        token, claims = issuer.issue(user)

        assert user == claims.user
        assert claims == issuer.read(token.reveal())

    def test_every_process_with_the_secret_reads_the_same(self, issuer):
        token, claims = issuer.issue(OCTOCAT)

        assert claims == self.elsewhere().read(token.reveal())

    def test_no_two_tokens_have_the_same_id(self, issuer):
        issued = [issuer.issue(OCTOCAT) for _ in range(100)]

        assert len({claims.id for _, claims in issued}) == 100
        assert len({token.reveal() for token, _ in issued}) == 100

    def test_the_next_second_makes_a_token_that_expires_a_second_later(self, issuer):
        _, first = issuer.issue(OCTOCAT)
        self.let_time_pass(1)
        _, second = issuer.issue(OCTOCAT)

        assert timedelta(seconds=1) == second.expires_at - first.expires_at

    def test_a_token_does_not_print_itself(self, issuer):
        token, _ = issuer.issue(OCTOCAT)

        assert token.reveal() not in f"{token} {token!r}"

    def test_a_token_can_stand_in_a_header(self, issuer):
        token, _ = issuer.issue(USERS[2])

        assert token.reveal().isascii()
        assert token.reveal().isprintable()
        assert " " not in token.reveal()

    @pytest.mark.parametrize("seconds", [1, LIFETIME.total_seconds() - 1, LIFETIME.total_seconds() + 29])
    def test_a_token_holds_for_its_lifetime_and_as_long_as_clocks_may_differ(self, issuer, seconds):
        token, claims = issuer.issue(OCTOCAT)
        self.let_time_pass(seconds)

        assert claims == issuer.read(token.reveal())

    @pytest.mark.parametrize("seconds", [LIFETIME.total_seconds() + 30, 10 * 365 * 86400])
    def test_an_expired_token_is_refused(self, issuer, seconds):
        token, _ = issuer.issue(OCTOCAT)
        self.let_time_pass(seconds)

        with pytest.raises(AuthenticationFailed):
            issuer.read(token.reveal())

    @pytest.mark.parametrize("seconds_ahead", [-30, 30])
    def test_the_clocks_of_two_processes_may_be_half_a_minute_apart(self, issuer, seconds_ahead):
        token, claims = self.elsewhere(seconds_ahead=seconds_ahead).issue(OCTOCAT)

        assert claims == issuer.read(token.reveal())

    @pytest.mark.parametrize("secret", ["another secret of at least 32 characters", "", "the secret of the suitd"])
    def test_a_token_made_with_another_secret_is_refused(self, issuer, secret):
        token, _ = self.elsewhere(secret=secret).issue(OCTOCAT)

        with pytest.raises(AuthenticationFailed):
            issuer.read(token.reveal())

    def test_a_token_in_which_any_character_was_changed_is_refused(self, issuer):
        token = issuer.issue(OCTOCAT)[0].reveal()
        changed = [
            token[:at] + other + token[at + 1 :]
            for at, character in enumerate(token)
            for other in ("A", "B", ".", "=", "\u00e9", "")
            if other != character
        ]

        assert [text for text in changed if self.is_read(issuer, text)] == []

    @pytest.mark.parametrize(
        "around", ["{}=", "{}==", "{}\n", " {}", "{}.", ".{}", "{0}{0}", "{0}.{0}", "Bearer {}", "{}\0"]
    )
    def test_a_token_with_something_around_it_is_refused(self, issuer, around):
        token = issuer.issue(OCTOCAT)[0].reveal()

        with pytest.raises(AuthenticationFailed):
            issuer.read(around.format(token))

    @pytest.mark.parametrize(
        "text",
        ["", " ", ".", "..", "...", "a.b.c", "e30.e30.e30", "W10.W10.W10", "null", "{}", "\0", "é", "🍌.🍌.🍌", "\ud800",
         "x" * 1_000_000, "." * 1_000_000, "W1tb" * 5_000 + ".e30.e30", "MQ" * 5_000 + ".e30.e30"],
        ids=lambda text: ascii(text[:12]),
    )  # fmt: skip
    def test_what_never_was_a_token_is_refused(self, issuer, text):
        with pytest.raises(AuthenticationFailed):
            issuer.read(text)

    def test_every_forgery_is_refused(self, issuer):
        forgeries = self.forgeries(issuer.issue(OCTOCAT)[0].reveal())

        assert len(forgeries) > 0
        assert [how for how, text in forgeries.items() if self.is_read(issuer, text)] == []

    def test_a_refusal_does_not_say_why(self, issuer):
        token = issuer.issue(OCTOCAT)[0].reveal()

        with pytest.raises(AuthenticationFailed) as raised:
            issuer.read(token[:-1])

        assert (str(AuthenticationFailed()), {}, None) == (
            str(raised.value),
            raised.value.details,
            raised.value.__cause__,
        )

    @staticmethod
    def is_read(issuer: TokenIssuer, text: str) -> bool:
        try:
            issuer.read(text)
        except AuthenticationFailed:
            return False
        return True


def segment(raw: bytes) -> str:
    return base64.urlsafe_b64encode(raw).decode().rstrip("=")


def signed(algorithm: str, key: bytes, payload: str) -> str:
    """A token made by hand, by RFC 7515 section 3."""
    header = segment(json.dumps({"alg": algorithm, "typ": "JWT"}).encode())
    digest = {"HS256": "sha256", "HS384": "sha384", "HS512": "sha512"}[algorithm]
    return f"{header}.{payload}.{segment(hmac.digest(key, f'{header}.{payload}'.encode(), digest))}"


class TestJwtTokenIssuer(TokenIssuerContract):
    SECRET = "the secret of the suite"
    KEY = hashlib.sha256(b"jwt:" + SECRET.encode()).digest()

    @pytest.fixture
    def issuer(self) -> TokenIssuer:
        self.clock = FrozenClock()
        return JwtTokenIssuer(Secret(self.SECRET), clock=self.clock, lifetime=LIFETIME)

    def let_time_pass(self, seconds):
        self.clock.advance(seconds)

    def elsewhere(self, *, secret=None, seconds_ahead=0):
        clock = FrozenClock(self.clock.now() + timedelta(seconds=seconds_ahead))
        return JwtTokenIssuer(Secret(self.SECRET if secret is None else secret), clock=clock, lifetime=LIFETIME)

    def forgeries(self, token):
        header, payload, signature = token.split(".")
        unsigned = segment(b'{"alg":"none","typ":"JWT"}')
        capitals = segment(b'{"alg":"NONE","typ":"JWT"}')
        other = segment(base64.urlsafe_b64decode(payload + "==").replace(b"583231", b"583232"))
        return {
            "no algorithm, no signature": f"{unsigned}.{payload}.",
            "no algorithm, the old signature": f"{unsigned}.{payload}.{signature}",
            "None in capitals": f"{capitals}.{payload}.",
            "no signature": f"{header}.{payload}.",
            "another user under the old signature": f"{header}.{other}.{signature}",
            "an empty key": signed("HS256", b"", payload),
            "the bare secret as the key": signed("HS256", self.SECRET.encode(), payload),
            "HS384 with the right key": signed("HS384", self.KEY, payload),
            "HS512 with the right key": signed("HS512", self.KEY, payload),
        }

    def test_whoever_has_the_key_can_make_one_so_that_the_forgeries_are_well_made(self, issuer):
        token, claims = issuer.issue(OCTOCAT)

        assert claims == issuer.read(signed("HS256", self.KEY, token.reveal().split(".")[1]))
