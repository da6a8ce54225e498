"""The front door."""

from typing import Any

import pytest


async def test_the_root_says_what_this_is_and_where_to_go_on(refusing: Any) -> None:
    body = (await refusing.get("/")).json()

    assert set(body) == {"name", "version", "links"}
    assert body["name"] == "Nano Banana Lab"
    assert body["links"]["docs"] == "/docs"


@pytest.mark.parametrize("link", ["docs", "openapi", "health", "history", "metrics"])
async def test_every_link_leads_somewhere(refusing: Any, link: str) -> None:
    target = (await refusing.get("/")).json()["links"][link]

    assert (await refusing.get(target)).status_code == 200


@pytest.mark.parametrize(
    "path", ["/docs/assets/%00", "/docs/assets/" + "a" * 300, "/docs/nothing", "/docs/openapi.yaml"]
)
async def test_what_the_docs_lack_is_not_found_like_everything_else(client: Any, is_problem: Any, path: str) -> None:
    is_problem(await client.get(path), 404, "not_found")
