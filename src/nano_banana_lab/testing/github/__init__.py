"""A stand-in for GitHub's sign-in over real HTTP: tests and demos of the real flow, without an OAuth app or a browser.

    with running_github() as github:
        provider = GitHubIdentityProvider(
            github.client_id, Secret(github.client_secret), url=github.url, api_url=github.url
        )

or by itself: `python -m nano_banana_lab.testing.github --port 8091`.

    GET  /login/oauth/authorize       whoever is signed in agrees at once: 302 with `code` and `state`;
                                      `&login=mona` lets the other of the two accounts agree
    POST /login/oauth/access_token    a form or JSON; answers in JSON to whoever asks for it, else as a form
    GET  /user, /user/emails          also under /api/v3, as on GitHub Enterprise Server

What GitHub refuses is refused in its words: wrong client credentials, codes that are unknown, used or older than
10 minutes, a verifier that does not belong to the challenge (S256 only), a redirect that is not below the registered
callback or not the one the code was made for, a token without the scope. There is one OAuth app;
pages for people, the device flow and the rest of the API are left out.

A script lets an endpoint, `authorize`, `token`, `user` or `emails`, do something else. `GET /` says what each does:

    access_denied, application_suspended, bad_verification_code, incorrect_client_credentials, invalid_request,
    redirect_uri_mismatch, unverified_user_email, 401, 403, 404, 429, 500, 503, html, redirect, empty, garbage,
    nested, binary, cut, disconnect, endless, hang, say STATUS TEXT

    GET    /__double__/requests   what was asked; secrets, codes and tokens are shown as their SHA-256
    DELETE /__double__/requests   forget requests and script
    POST   /__double__/script     {"user": "503"}: from now on
"""

from nano_banana_lab.testing.github.server import GitHubDouble, running_github

__all__ = ["GitHubDouble", "running_github"]
