"""What GitHub says when it refuses, and what else can go wrong on the way."""

from collections.abc import Mapping

from nano_banana_lab.testing.github.wire import Reply, json, page

_DOCS = "https://docs.github.com/apps/oauth-apps/maintaining-oauth-apps"

OAUTH_ERRORS: Mapping[str, str] = {
    "access_denied": "The user has denied your application access.",
    "application_suspended": "Your application has been suspended. Contact support@github.com.",
    "bad_verification_code": "The code passed is incorrect or expired.",
    "incorrect_client_credentials": "The client_id and/or client_secret passed are incorrect.",
    "invalid_request": "The request is not valid.",
    "redirect_uri_mismatch": "The redirect_uri MUST match the registered callback URL for this application.",
    "unverified_user_email": "The user must have a verified primary email.",
}
"""GitHub's descriptions by its own word for each; only that of `invalid_request` is made up."""

FAULTS: Mapping[str, Reply] = {
    "401": json({"message": "Bad credentials", "documentation_url": "https://docs.github.com/rest"}, 401),
    "403": json({"message": "API rate limit exceeded for user ID 1."}, 403),
    "404": json({"message": "Not Found"}, 404),
    "429": json({"message": "You have exceeded a secondary rate limit."}, 429),
    "500": page("500 Internal Server Error", 500),
    "503": page("Unicorn! GitHub", 503),
    "html": page("Sign in to the wireless network", 200),
    "redirect": Reply(302, b"", {"location": "/elsewhere"}),
    "empty": Reply(200, b"", {"content-type": "application/json"}),
    "garbage": Reply(200, b'{"access_token": "gho_', {"content-type": "application/json"}),
    "nested": Reply(200, b'{"id": ' + b"[" * 100_000, {"content-type": "application/json"}),
    "binary": Reply(200, b'{"access_token": "\xff", "login": "\xff"}', {"content-type": "application/json"}),
}
"""Answers instead of the right one."""

MEANINGS: Mapping[str, str] = {
    **{name: f"GitHub's own error: {text}" for name, text in OAUTH_ERRORS.items()},
    **{name: f"HTTP {reply.status}: {reply.body[:40].decode('latin-1')}" for name, reply in FAULTS.items()},
    "cut": "the connection closes in the middle of the right answer",
    "disconnect": "the connection closes without an answer",
    "endless": "an answer that does not end",
    "hang": "no answer at all",
    "say STATUS TEXT": "that status and TEXT, which should be JSON",
}
"""Everything that a script can let happen."""


def described(error: str) -> dict[str, str]:
    """A refusal as GitHub puts it."""
    return {
        "error": error,
        "error_description": OAUTH_ERRORS[error],
        "error_uri": f"{_DOCS}/troubleshooting-oauth-app-access-token-request-errors#{error.replace('_', '-')}",
    }
