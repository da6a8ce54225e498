"""What every `IdentityProvider` promises, and the providers that keep it.

A binding gives the suite a provider that knows `USERS`, and these hooks:
`agree` is what a user does in the browser, `let_time_pass` makes codes older,
`stop_answering` and `answer_again` are an outage and its end.
"""

import asyncio
import base64
import hashlib
import re
import secrets
import traceback
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import pytest

from nano_banana_lab.adapters.github.identity_provider import GitHubIdentityProvider
from nano_banana_lab.adapters.memory.identity_provider import MemoryIdentityProvider
from nano_banana_lab.core.identity.ports import IdentityProvider, SignInFailed, SignInUnavailable
from nano_banana_lab.core.identity.user import User, github_folder
from nano_banana_lab.core.shared.errors import LabError
from nano_banana_lab.core.shared.ids import new_id
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.testing.frozen_clock import FrozenClock
from nano_banana_lab.testing.github import GitHubDouble, running_github
from nano_banana_lab.testing.github.accounts import Account

HERE = "http://127.0.0.1:8000/api/auth/callback"
ELSEWHERE = "http://127.0.0.1:8000/done"
WELL_KNOWN = User(
    id="583231",
    login="octocat",
    name="Ōcto 🐙 Cat",
    email="octocat@example.org",
    avatar_url="https://example.org/octocat.png",
    user_folder_id=github_folder("583231"),
)
RESERVED = User(
    id="9007199254740993", login="mona", avatar_url="https://e.org/m", user_folder_id=github_folder("9007199254740993")
)
USERS = (WELL_KNOWN, RESERVED)


def new_verifier() -> str:
    return secrets.token_urlsafe(48)


def s256(verifier: str) -> str:
    return base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")


def everything_about(error: BaseException) -> str:
    return "".join(traceback.format_exception(error)) + repr(error) + repr(getattr(error, "details", None))


class IdentityProviderContract:
    """The promises. A subclass provides the fixture `provider` and the hooks."""

    async def agree(self, provider: IdentityProvider, url: str, login: str) -> str:
        """The code with which the browser comes back once this user has agreed at that address."""
        raise NotImplementedError

    def let_time_pass(self, provider: IdentityProvider, seconds: float) -> None:
        raise NotImplementedError

    def stop_answering(self, provider: IdentityProvider) -> None:
        raise NotImplementedError

    def answer_again(self, provider: IdentityProvider) -> None:
        raise NotImplementedError

    async def code_for(
        self, provider: IdentityProvider, verifier: str, redirect_uri: str | None = HERE, user: User = WELL_KNOWN
    ) -> str:
        url = provider.authorization_url(state=new_id(), challenge=s256(verifier), redirect_uri=redirect_uri)
        return await self.agree(provider, url, user.login)

    @pytest.mark.parametrize("user", USERS, ids=lambda user: user.login)
    @pytest.mark.parametrize("redirect_uri", [None, HERE])
    async def test_who_agreed_is_who_is_identified(self, provider, user, redirect_uri):
        verifier = new_verifier()
        code = await self.code_for(provider, verifier, redirect_uri, user)

        assert user == await provider.identify(code=code, verifier=verifier, redirect_uri=redirect_uri)

    async def test_everybody_is_themselves_when_all_come_at_once(self, provider):
        users = [*USERS] * 5
        verifiers = [new_verifier() for _ in users]
        codes = [await self.code_for(provider, verifiers[nth], HERE, user) for nth, user in enumerate(users)]

        identified = await asyncio.gather(
            *[
                provider.identify(code=code, verifier=verifier, redirect_uri=HERE)
                for code, verifier in zip(codes, verifiers, strict=True)
            ]
        )

        assert users == identified

    async def test_the_folder_of_a_user_can_be_part_of_a_key(self, provider):
        verifier = new_verifier()
        code = await self.code_for(provider, verifier)

        user = await provider.identify(code=code, verifier=verifier, redirect_uri=HERE)

        assert re.fullmatch(r"[a-z0-9-]{1,64}", user.owner)

    def test_the_browser_brings_along_the_state_the_challenge_and_the_way_back(self, provider):
        state, challenge, way_back = new_id(), s256(new_verifier()), f"{HERE}?a=b c&d=é#f"

        url = provider.authorization_url(state=state, challenge=challenge, redirect_uri=way_back)

        query = parse_qs(urlsplit(url).query)
        assert [[state], [challenge], ["S256"], [way_back]] == [
            query[name] for name in ("state", "code_challenge", "code_challenge_method", "redirect_uri")
        ]

    def test_without_a_way_back_none_is_named(self, provider):
        url = provider.authorization_url(state=new_id(), challenge=s256(new_verifier()), redirect_uri=None)

        assert "redirect_uri" not in parse_qs(urlsplit(url).query, keep_blank_values=True)

    def test_an_address_is_given_out_while_the_provider_does_not_answer(self, provider):
        self.stop_answering(provider)

        assert provider.authorization_url(state="s", challenge="c", redirect_uri=None).startswith("http")

    async def test_a_code_works_once(self, provider):
        verifier = new_verifier()
        code = await self.code_for(provider, verifier)
        await provider.identify(code=code, verifier=verifier, redirect_uri=HERE)

        with pytest.raises(SignInFailed):
            await provider.identify(code=code, verifier=verifier, redirect_uri=HERE)

    async def test_of_many_who_bring_one_code_at_once_one_is_let_in(self, provider):
        verifier = new_verifier()
        code = await self.code_for(provider, verifier)

        outcomes = await asyncio.gather(
            *[provider.identify(code=code, verifier=verifier, redirect_uri=HERE) for _ in range(8)],
            return_exceptions=True,
        )

        assert [User] + [SignInFailed] * 7 == sorted(map(type, outcomes), key=lambda kind: kind is SignInFailed)

    @pytest.mark.parametrize(
        "code", ["", " ", "0" * 20, "a&code=b", "a b", "a\nb", "a\0b", "é🍌", "\ud800", "x" * 1_000_000], ids=ascii
    )
    async def test_a_code_that_was_never_given_out_is_refused(self, provider, code):
        with pytest.raises(SignInFailed):
            await provider.identify(code=code, verifier=new_verifier(), redirect_uri=HERE)

    async def test_a_code_is_refused_with_the_verifier_of_another_sign_in(self, provider):
        verifier = new_verifier()
        code = await self.code_for(provider, new_verifier())
        await self.code_for(provider, verifier)

        with pytest.raises(SignInFailed):
            await provider.identify(code=code, verifier=verifier, redirect_uri=HERE)

    async def test_a_code_works_for_less_than_ten_minutes(self, provider):
        verifiers = [new_verifier(), new_verifier()]
        codes = [await self.code_for(provider, verifier) for verifier in verifiers]
        self.let_time_pass(provider, 590)
        await provider.identify(code=codes[0], verifier=verifiers[0], redirect_uri=HERE)
        self.let_time_pass(provider, 10)

        with pytest.raises(SignInFailed):
            await provider.identify(code=codes[1], verifier=verifiers[1], redirect_uri=HERE)

    async def test_a_code_that_was_made_for_another_way_back_identifies_nobody(self, provider):
        verifier = new_verifier()
        code = await self.code_for(provider, verifier, HERE)

        with pytest.raises(SignInUnavailable):
            await provider.identify(code=code, verifier=verifier, redirect_uri=ELSEWHERE)

    async def test_nobody_can_sign_in_while_the_provider_does_not_answer(self, provider):
        verifier = new_verifier()
        code = await self.code_for(provider, verifier)
        self.stop_answering(provider)

        with pytest.raises(SignInUnavailable):
            await provider.identify(code=code, verifier=verifier, redirect_uri=HERE)

    async def test_after_an_outage_everything_is_as_before(self, provider):
        self.stop_answering(provider)
        with pytest.raises(SignInUnavailable):
            await provider.identify(code="0" * 20, verifier=new_verifier(), redirect_uri=HERE)
        self.answer_again(provider)

        await self.test_who_agreed_is_who_is_identified(provider, RESERVED, HERE)

    @pytest.mark.parametrize("outage", [False, True])
    async def test_an_error_keeps_the_code_and_the_verifier_to_itself(self, provider, outage, caplog):
        caplog.set_level("DEBUG")
        code, verifier = secrets.token_hex(10), new_verifier()
        if outage:
            self.stop_answering(provider)

        with pytest.raises(LabError) as raised:
            await provider.identify(code=code, verifier=verifier, redirect_uri=HERE)

        told = everything_about(raised.value) + caplog.text
        assert [secret for secret in (code, verifier) if secret in told] == []


class TestMemoryIdentityProvider(IdentityProviderContract):
    @pytest.fixture
    def provider(self) -> IdentityProvider:
        self.clock = FrozenClock()
        return MemoryIdentityProvider(*USERS, clock=self.clock)

    async def agree(self, provider, url, login):
        return provider.agree(url, login)

    def let_time_pass(self, provider, seconds):
        self.clock.advance(seconds)

    def stop_answering(self, provider):
        provider.available = False

    def answer_again(self, provider):
        provider.available = True


@pytest.fixture(scope="module")
def double() -> Iterator[GitHubDouble]:
    with running_github() as double:
        for user in USERS:
            double.sign_in(
                Account(
                    id=int(user.id),
                    login=user.login,
                    name=user.name,
                    email=user.email,
                    avatar_url=user.avatar_url or "",
                )
            )
        yield double


class TestGitHubIdentityProvider(IdentityProviderContract):
    """The real client against the HTTP double."""

    @pytest.fixture
    async def provider(
        self, double: GitHubDouble, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
    ) -> AsyncIterator[IdentityProvider]:
        monkeypatch.delenv("SSL_CERT_FILE", raising=False)  # nothing is encrypted, and loading the authorities
        monkeypatch.setenv("SSL_CERT_DIR", str(tmp_path))  # of this machine takes a tenth of a second each time
        double.clear()
        self.double = double
        provider = GitHubIdentityProvider(
            double.client_id, Secret(double.client_secret), url=double.url, api_url=double.url
        )
        async with httpx2.AsyncClient(trust_env=False) as self.browser:
            yield provider
        await provider.aclose()

    async def agree(self, provider, url, login):
        sent_back = await self.browser.get(f"{url}&{urlencode({'login': login})}")
        return parse_qs(urlsplit(sent_back.headers["location"]).query)["code"][0]

    def let_time_pass(self, provider, seconds):
        self.double.let_time_pass(seconds)

    def stop_answering(self, provider):
        self.double.script(token="disconnect")

    def answer_again(self, provider):
        self.double.clear()
