"""The steps of signing in at the stand-in for GitHub, as a browser and as a client take them."""

from urllib.parse import parse_qsl, urlsplit

import httpx2

from nano_banana_lab.adapters.github.identity_provider import GitHubIdentityProvider
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.secrets import Secret
from nano_banana_lab.testing.github import GitHubDouble
from nano_banana_lab.testing.github.accounts import Account
from nano_banana_lab.testing.github.oauth import s256

VERIFIER = "a-verifier-of-forty-three-or-more-characters"
BACK = "http://127.0.0.1:8000/api/auth/callback"
JSON = {"accept": "application/json"}


def authorize(http: httpx2.Client, github: GitHubDouble, **query: str | None) -> httpx2.Response:
    """The browser opens GitHub's page, where the user agrees at once."""
    whole = {
        "client_id": github.client_id,
        "redirect_uri": BACK,
        "scope": "read:user user:email",
        "state": "the state",
        "code_challenge": s256(VERIFIER),
        "code_challenge_method": "S256",
        **query,
    }
    return http.get("/login/oauth/authorize", params=given(whole))


def brought_back(answer: httpx2.Response) -> dict[str, str]:
    """What the address says to which the browser is sent."""
    return dict(parse_qsl(urlsplit(answer.headers["location"]).query))


def exchange(http: httpx2.Client, github: GitHubDouble, code: str, /, **fields: str | None) -> dict[str, str]:
    """A client brings a code."""
    whole = {
        "client_id": github.client_id,
        "client_secret": github.client_secret,
        "code": code,
        "redirect_uri": BACK,
        "code_verifier": VERIFIER,
        **fields,
    }
    answer = http.post("/login/oauth/access_token", data=given(whole), headers=JSON)
    assert answer.status_code == 200
    return answer.json()


def token_of(http: httpx2.Client, github: GitHubDouble, **query: str | None) -> str:
    return exchange(http, github, brought_back(authorize(http, github, **query))["code"])["access_token"]


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


def provider_at(github: GitHubDouble, **options) -> GitHubIdentityProvider:
    return GitHubIdentityProvider(
        github.client_id, Secret(github.client_secret), **{"url": github.url, "api_url": github.url, **options}
    )


async def code_for(github: GitHubDouble, account: Account | None = None, redirect_uri: str | None = BACK) -> str:
    """What the browser brings back from the page that the provider names."""
    if account is not None:
        github.sign_in(account)
    url = provider_at(github).authorization_url(state="s", challenge=s256(VERIFIER), redirect_uri=redirect_uri)
    async with httpx2.AsyncClient(trust_env=False) as browser:
        return brought_back(await browser.get(url))["code"]


async def signed_in(provider: GitHubIdentityProvider, github: GitHubDouble, account: Account | None = None) -> User:
    return await provider.identify(code=await code_for(github, account), verifier=VERIFIER, redirect_uri=BACK)


def asked(github: GitHubDouble) -> list[str]:
    """Which addresses the provider asked, in order."""
    return [request.path for request in github.requests if request.path != "/login/oauth/authorize"]


def given(fields: dict[str, str | None]) -> dict[str, str]:
    return {name: value for name, value in fields.items() if value is not None}
