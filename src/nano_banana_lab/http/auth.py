"""Sign in, stay signed in, sign out; or look around as a guest."""

from typing import Annotated, Any
from urllib.parse import quote

import msgspec
from dishka.integrations.litestar import FromDishka
from litestar import Controller, Request, Response, get, post
from litestar.enums import HttpMethod
from litestar.handlers import BaseRouteHandler
from litestar.openapi.datastructures import ResponseSpec
from litestar.params import JSONBody, QueryParameter

from nano_banana_lab.core.identity.access_tokens import AccessTokens
from nano_banana_lab.core.identity.ports import AuthenticationFailed, SessionNeeded, SignInFailed, SignInUnavailable
from nano_banana_lab.core.identity.redirects import RedirectAllowlist
from nano_banana_lab.core.identity.sessions import Session, Sessions
from nano_banana_lab.core.identity.sign_in import BeginSignIn, FinishSignIn, SignInPage
from nano_banana_lab.core.identity.user import User
from nano_banana_lab.core.shared.errors import ValidationFailed
from nano_banana_lab.http import examples
from nano_banana_lab.http.caller import Connection, bearer_of, bearer_token
from nano_banana_lab.http.envelope import METHOD_AS_SENT
from nano_banana_lab.http.errors import MethodNotAllowed, language_of
from nano_banana_lab.http.localised import in_language
from nano_banana_lab.http.messages import Sentence, say
from nano_banana_lab.http.openapi import OPEN, answer, problems
from nano_banana_lab.http.scopes import ANY_TOKEN

SIGNED_OUT = Sentence("Signed out.")

MAX_CODE_CHARACTERS = 1000
"""GitHub's codes have 20; the OAuth RFC sets no limit."""


class SignInInfo(msgspec.Struct, frozen=True, kw_only=True):
    """What a visitor may know of who is let in; `providers` is empty where nobody can sign in."""

    auth_enabled: bool
    trial_enabled: bool
    providers: tuple[str, ...]


class AuthStatus(msgspec.Struct, kw_only=True):
    """Who the token names, and what there is to sign in with."""

    authenticated: bool
    user: User | None
    auth_enabled: bool
    trial_enabled: bool
    providers: tuple[str, ...]


class CallbackBody(msgspec.Struct, kw_only=True):
    """What the provider's page sent back. Both are needed; what is told of a missing one depends on the other."""

    code: (
        Annotated[str, msgspec.Meta(min_length=1, max_length=MAX_CODE_CHARACTERS, examples=["c0ffee5a1ad5a1ad5a1a"])]
        | None
    ) = None
    state: Annotated[
        str | None, msgspec.Meta(description="As `login` answered it.", examples=["0f8d1c6d5c7c4b2a9e3f1a2b3c4d5e6f"])
    ] = None


class TokenBody(msgspec.Struct, kw_only=True):
    """Send `access_token` as `Authorization: Bearer` from now on; it holds for `expires_in` seconds."""

    access_token: str
    token_type: str
    expires_in: int
    user: User

    @classmethod
    def of(cls, session: Session) -> "TokenBody":
        """The session as its user sees it."""
        return cls(
            access_token=session.token.reveal(),
            token_type="bearer",  # noqa: S106  the name of a scheme (RFC 6750), not a password
            expires_in=session.expires_in,
            user=session.user,
        )


class LoggedOut(msgspec.Struct, kw_only=True):
    """The token is refused from now on."""

    success: bool
    message: str


async def require_a_provider(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard: where nobody can sign in that is the answer, whatever else is wrong with the request."""
    info: SignInInfo = await connection.scope["state"]["dishka_container"].get(SignInInfo)
    if not info.providers:
        raise SignInUnavailable


async def refuse_head(connection: Connection, _: BaseRouteHandler) -> None:
    """A guard for a GET that changes something: programs that look at links send HEAD, which must not (RFC 9110)."""
    if connection.scope["state"][METHOD_AS_SENT] == HttpMethod.HEAD:
        raise MethodNotAllowed("GET, POST")


class AuthController(Controller):
    """Tokens and whom they name."""

    path = "/api/auth"
    tags = ("Sign-in",)

    @get(
        "/status",
        security=OPEN,
        summary="Am I signed in?",
        responses=answer(AuthStatus, "Whether the token holds", examples.AUTH_STATUS)
        | problems("service_unavailable", "internal_error"),
    )
    async def status(self, request: Request[Any, Any, Any], info: FromDishka[SignInInfo]) -> AuthStatus:
        """Never 401: without a token, or with one that does not hold, `authenticated` is false."""
        user = await _user_of(request)
        return AuthStatus(
            authenticated=user is not None,
            user=user,
            auth_enabled=info.auth_enabled,
            trial_enabled=info.trial_enabled,
            providers=info.providers,
        )

    @get(
        "/login",
        security=OPEN,
        guards=[require_a_provider],
        summary="Begin to sign in with GitHub",
        responses=answer(SignInPage, "Send the browser to `url`", examples.SIGN_IN_PAGE)
        | problems("validation_error", "service_unavailable", "internal_error"),
    )
    async def login(
        self,
        begin: FromDishka[BeginSignIn],
        redirect_uri: Annotated[
            str | None,
            QueryParameter(description="Where GitHub sends the browser back to; must be on the operator's list."),
        ] = None,
    ) -> SignInPage:
        """GitHub sends the browser back with a `code` and this `state`, which is good once and for ten minutes."""
        return await begin(redirect_uri or None)

    @post(
        "/callback",
        status_code=200,
        security=OPEN,
        guards=[require_a_provider],
        summary="Finish signing in",
        responses=answer(TokenBody, "Signed in", examples.TOKEN)
        | problems(
            "authentication_failed",
            "validation_error",
            "unsupported_media_type",
            "payload_too_large",
            "service_unavailable",
            "internal_error",
        ),
    )
    async def callback(
        self, data: JSONBody[CallbackBody], finish: FromDishka[FinishSignIn], sessions: FromDishka[Sessions]
    ) -> TokenBody:
        """For apps that received the browser themselves. Compare `state` with your own before you send it here.

        After a 503 the same may be sent again.
        """
        _check_arrival(data.code, data.state)
        return TokenBody.of(sessions.begin(await finish(code=data.code, state=data.state)))

    @get(
        "/callback",
        security=OPEN,
        guards=[require_a_provider, refuse_head],
        summary="Finish signing in, in a browser",
        responses=answer(TokenBody, "Signed in", examples.TOKEN)
        | {302: ResponseSpec(None, description="Signed in; the token is in the fragment: `redirect_to#token=...`")}
        | problems("authentication_failed", "validation_error", "service_unavailable", "internal_error"),
    )
    async def callback_in_browser(
        self,
        finish: FromDishka[FinishSignIn],
        sessions: FromDishka[Sessions],
        redirects: FromDishka[RedirectAllowlist],
        code: Annotated[str | None, QueryParameter(max_length=MAX_CODE_CHARACTERS, description="From GitHub.")] = None,
        returned_state: Annotated[
            str | None, QueryParameter(name="state", description="As `login` answered it.")
        ] = None,
        redirect_to: Annotated[
            str | None, QueryParameter(description="Where to go with the token; must be on the operator's list.")
        ] = None,
        error: Annotated[str | None, QueryParameter(description="GitHub's reason for sending no code.")] = None,
    ) -> Response[TokenBody | bytes]:
        """A `redirect_to` that is not on the list is not followed; the token is in the answer then, as with POST."""
        _check_arrival(error or code, returned_state)
        session = sessions.begin(await finish(code=None if error else code, state=returned_state))
        if redirect_to is None or not redirects.allows(redirect_to):
            return Response(TokenBody.of(session))
        location = f"{redirect_to}#token={quote(session.token.reveal(), safe='')}"
        return Response(b"", status_code=302, headers={"Location": location}, media_type="text/plain")

    @get(
        "/me",
        opt=ANY_TOKEN,
        summary="Who am I?",
        responses=answer(User, "Whom the token names", examples.USER)
        | problems("authentication_failed", "service_unavailable", "internal_error"),
    )
    async def me(self, request: Request[Any, Any, Any]) -> User:
        """`user_folder_id` is the folder of the user's pictures in the store."""
        if (user := await _user_of(request)) is None:  # nobody signs in here
            raise AuthenticationFailed
        return user

    @post(
        "/logout",
        status_code=200,
        opt=ANY_TOKEN,
        summary="Sign out",
        responses=answer(LoggedOut, "The token is refused from now on", examples.LOGGED_OUT)
        | problems("authentication_failed", "service_unavailable", "internal_error"),
    )
    async def logout(
        self, request: Request[Any, Any, Any], sessions: FromDishka[Sessions], access_tokens: FromDishka[AccessTokens]
    ) -> Response[LoggedOut]:
        """Every process refuses the token at once, an access token too, which revokes itself with this.

        Where nobody signs in there is nothing to do, and that succeeds.
        """
        bearer = await bearer_of(request)
        if bearer.access_token:
            await access_tokens.revoke(bearer.owner, bearer.access_token.id)
        else:
            await sessions.end(bearer_token(request))
        language = language_of(request)
        return in_language(language, LoggedOut(success=True, message=say(SIGNED_OUT, language)))

    @post(
        "/refresh",
        status_code=200,
        opt=ANY_TOKEN,
        summary="Exchange a token for a new one",
        responses=answer(TokenBody, "The new token; the old one is refused from now on", examples.TOKEN)
        | problems("authentication_failed", "authorization_failed", "service_unavailable", "internal_error"),
    )
    async def refresh(self, request: Request[Any, Any, Any], sessions: FromDishka[Sessions]) -> TokenBody:
        """Of several that exchange one token at the same moment one succeeds, and the others are 401.

        An access token is not exchanged, that is 403: what comes of this may do everything.
        Should the store go away meanwhile, the old token may hold until it expires.
        """
        if (await bearer_of(request)).access_token:
            raise SessionNeeded
        return TokenBody.of(await sessions.renew(bearer_token(request)))

    @post(
        "/guest",
        status_code=200,
        security=OPEN,
        summary="Come as a guest",
        responses=answer(TokenBody, "Let in, without an account", examples.GUEST_TOKEN)
        | problems("authorization_failed", "service_unavailable", "internal_error"),
    )
    async def guest(self, sessions: FromDishka[Sessions]) -> TokenBody:
        """For visitors without GitHub, where there is a trial; what they make is theirs until the token expires."""
        return TokenBody.of(sessions.begin_as_guest())


def _check_arrival(code: str | None, state: str | None) -> None:
    """What was not sent back is told before the state is used up, and whether there is one before all else."""
    if not state:
        raise SignInFailed
    if not code:
        raise ValidationFailed.of("code", "missing")


async def _user_of(request: Request[Any, Any, Any]) -> User | None:
    try:
        return (await bearer_of(request)).user
    except AuthenticationFailed:
        return None
