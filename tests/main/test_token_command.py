"""The commands `token create`, `token list` and `token revoke`."""

import json
from collections.abc import Callable

import pytest
from click.testing import Result

Run = Callable[..., Result]
ON = {"AUTH_ENABLED": "true"}


def created(run: Run, *options: str, **settings: str) -> Result:
    return run("token", "create", "--user", "robot", "--name", "nightly", *options, **ON | settings)


def listed(run: Run) -> list[dict[str, object]]:
    return list(json.loads(run("token", "list", "--user", "robot", "--json", **ON).stdout)["tokens"])


def test_a_token_is_printed_alone_and_listed_without_its_text(run: Run) -> None:
    result = created(run, "--scope", "manage", "--scope", "read", "--days", "3")
    shown = run("token", "list", "--user", "robot", **ON)
    [found] = listed(run)

    assert (result.exit_code, result.stdout.startswith("nbl_"), len(result.stdout.split())) == (0, True, 1)
    assert (found["prefix"], found["scopes"]) == (result.stdout[:8], ["read", "manage"])
    assert "nightly" in shown.stdout
    assert result.stdout.strip() not in shown.output + result.stderr


def test_programs_get_one_document(run: Run) -> None:
    result = created(run, "--json")
    document = json.loads(result.stdout)

    assert document.pop("token").startswith(document["prefix"])
    assert [document] == listed(run)


def test_a_revoked_token_is_listed_no_more(run: Run) -> None:
    token_id = json.loads(created(run, "--json").stdout)["id"]
    others = run("token", "revoke", "--user", "anonymous", token_id, **ON)
    result = run("token", "revoke", "--user", "robot", token_id, **ON)
    again = run("token", "revoke", "--user", "robot", token_id, **ON)

    assert [each.exit_code for each in (others, result, again)] == [1, 0, 1]
    assert "not_found" in again.stderr
    assert run("token", "list", "--user", "robot", **ON).stdout == "robot has no access tokens.\n"


@pytest.mark.parametrize(("enabled", "told"), [("true", False), ("false", True)])
def test_who_needs_no_token_is_told_so(run: Run, enabled: str, *, told: bool) -> None:
    result = created(run, AUTH_ENABLED=enabled)

    assert (result.exit_code, "AUTH_ENABLED=true changes that" in result.stderr) == (0, told)


def test_a_guest_gets_none(run: Run) -> None:
    result = run("token", "create", "--user", "guest-0f8d", "--name", "x", **ON)

    assert (result.exit_code, result.stdout) == (1, "")
    assert "authorization_failed" in result.stderr


@pytest.mark.parametrize("options", [["--days", "0"], ["--days", "3651"], ["--scope", "admin"], ["--user", "../x"]])
def test_what_cannot_be_is_a_misuse(run: Run, options: list[str]) -> None:
    assert created(run, *options).exit_code == 2
