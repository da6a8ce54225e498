"""Who is asking."""

from collections.abc import AsyncIterator
from datetime import timedelta

from dishka import Provider, Scope, provide

from nano_banana_lab.core.identity.access_tokens import AccessTokens
from nano_banana_lab.core.identity.identify_owner import IdentifyOwner, SignedInOwner, SingleOwner
from nano_banana_lab.core.identity.last_used import LastUsed
from nano_banana_lab.core.identity.ports import IdentityProvider, TokenIssuer
from nano_banana_lab.core.identity.redirects import RedirectAllowlist
from nano_banana_lab.core.identity.sessions import Sessions
from nano_banana_lab.core.identity.sign_in import BeginSignIn, FinishSignIn
from nano_banana_lab.core.shared.clock import Clock
from nano_banana_lab.core.storage.ports import KeyValueStore
from nano_banana_lab.main.secret_key import SigningKey, secret_key
from nano_banana_lab.main.settings import Settings


class Identity(Provider):
    """GitHub when it is configured and sign-in is on; tokens are ours in any case."""

    scope = Scope.APP

    @provide
    def signing_key(self, settings: Settings) -> SigningKey:
        """Raises `NoSecretKey`."""
        return SigningKey(secret_key(settings.secret_key, settings.data_dir))

    @provide
    async def identity_provider(self, settings: Settings) -> AsyncIterator[IdentityProvider | None]:
        if not settings.uses_github:
            yield None
            return
        from nano_banana_lab.adapters.github.identity_provider import GitHubIdentityProvider

        assert settings.github_client_id is not None  # else GitHub is not used
        assert settings.github_client_secret is not None  # likewise
        github = GitHubIdentityProvider(
            settings.github_client_id,
            settings.github_client_secret,
            url=settings.github_url,
            api_url=settings.github_api_url,
        )
        yield github
        await github.aclose()

    @provide
    def token_issuer(self, settings: Settings, key: SigningKey, clock: Clock) -> TokenIssuer:
        from nano_banana_lab.adapters.jwt.token_issuer import JwtTokenIssuer

        return JwtTokenIssuer(key, clock=clock, lifetime=timedelta(days=settings.jwt_expire_days))

    @provide
    def redirects(self, settings: Settings) -> RedirectAllowlist:
        default = settings.github_redirect_uri
        return RedirectAllowlist((*(settings.redirect_allowlist or ()), *([default] if default else [])))

    @provide
    def begin_sign_in(
        self,
        provider: IdentityProvider | None,
        key_values: KeyValueStore,
        clock: Clock,
        key: SigningKey,
        redirects: RedirectAllowlist,
        settings: Settings,
    ) -> BeginSignIn:
        return BeginSignIn(
            provider=provider,
            key_values=key_values,
            clock=clock,
            secret=key,
            redirects=redirects,
            default_redirect_uri=settings.github_redirect_uri,
        )

    @provide
    def finish_sign_in(
        self, provider: IdentityProvider | None, key_values: KeyValueStore, clock: Clock, key: SigningKey
    ) -> FinishSignIn:
        return FinishSignIn(provider=provider, key_values=key_values, clock=clock, secret=key)

    @provide
    def sessions(self, settings: Settings, tokens: TokenIssuer, key_values: KeyValueStore, clock: Clock) -> Sessions:
        return Sessions(
            tokens=tokens,
            key_values=key_values,
            clock=clock,
            enabled=settings.auth_enabled,
            guests=settings.trial_enabled,
        )

    @provide
    async def last_used(self, key_values: KeyValueStore, clock: Clock) -> AsyncIterator[LastUsed]:
        last_used = LastUsed(key_values, clock)
        yield last_used
        await last_used.finish()

    @provide
    def access_tokens(
        self, key_values: KeyValueStore, clock: Clock, key: SigningKey, last_used: LastUsed
    ) -> AccessTokens:
        return AccessTokens(key_values=key_values, clock=clock, secret=key, last_used=last_used)


def owners(settings: Settings) -> Provider:
    """A lab without sign-in needs no tokens, so it does not make what reads them either."""
    provider = Provider(scope=Scope.APP)
    provider.provide(SignedInOwner if settings.auth_enabled else SingleOwner, provides=IdentifyOwner)
    return provider
