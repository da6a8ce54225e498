"""OPTIONS tells the methods of a path, whatever their handlers."""

from typing import Any

import pytest


@pytest.mark.parametrize(
    ("path", "methods"),
    [
        ("/api/history", "DELETE, GET, HEAD, OPTIONS"),
        ("/api/history/some-id", "DELETE, GET, HEAD, OPTIONS"),
        ("/api/chat", "GET, HEAD, OPTIONS, POST"),
        ("/api/generate", "OPTIONS, POST"),
    ],
)
async def test_options_lists_every_method_of_the_path(client: Any, path: str, methods: str) -> None:
    response = await client.options(path)

    assert (response.status_code, response.headers["Allow"]) == (204, methods)
