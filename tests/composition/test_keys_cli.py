"""`connector keys` as people and scripts use it, and what the configuration says of keys."""

from __future__ import annotations

import getpass
from hashlib import sha256
from pathlib import Path

import pytest
from tests.composition.test_cli import here, run, run_json, undisturbed_logging

from connector.api.tokens import is_token
from connector.model.errors import InvalidConfiguration
from connector.serve import api_keys
from connector.settings.loading import load_settings

__all__ = ["here", "undisturbed_logging"]


def test_a_key_is_made_shown_once_listed_and_revoked(here: Path):
    (here / "connector.toml").write_text("[auth]\nanonymous = true\n")
    made = run("keys", "create", "robot", "--role", "dispatcher", "--region", "EU", "--expires", "30d")
    token = made.stdout.strip()
    listed = run_json("keys", "list")
    again = run("keys", "create", "robot", "--role", "viewer")
    table = run("keys", "list").output
    revoked = run("keys", "revoke", "robot")

    assert is_token(token)
    assert "It is not shown again." in made.stderr
    assert "take `anonymous = true` under [auth] out of connector.toml" in made.stderr
    (key,) = listed
    assert (key["name"], key["start"], key["roles"], key["regions"]) == ("robot", token[:10], ["dispatcher"], ["EU"])
    assert (key["created_by"], key["last_used_at"], "digest" in key) == (f"cli:{getpass.getuser()}", None, False)
    assert (again.exit_code, "there is a key 'robot' already" in again.stderr) == (2, True)
    assert token[:10] in table
    assert token not in table
    assert revoked.output == "Key 'robot' is revoked.\n"
    assert run("keys", "list").output == "There are no keys.\n"
    assert len(run_json("keys", "list", "--all")) == 1
    assert run("keys", "revoke", "robot").exit_code == 3


def test_what_is_wrong_with_a_key_is_said(here: Path):
    wrong = {
        ("a b", "--role", "viewer"): "'a b' is no name of a key",
        ("robot", "--role", "Admin!"): "'Admin!' is no role",
        ("robot", "--role", "viewer", "--expires", "soon"): "'soon' says no time at which the key expires",
        ("robot", "--role", "viewer", "--expires", "2020-01-01T00:00Z"): "would have expired at 2020-01-01 00:00Z",
    }
    for arguments, problem in wrong.items():
        refused = run("keys", "create", *arguments)

        assert (refused.exit_code, problem in " ".join(refused.stderr.split())) == (2, True)


def settings_of(folder: Path, text: str) -> object:
    file = folder / "connector.toml"
    file.write_text(text)
    return load_settings(file).settings


def test_the_configuration_may_hold_the_hash_of_a_token(tmp_path: Path):
    digest = sha256(b"the-token-of-ada-1234").hexdigest()
    settings = settings_of(tmp_path, f'[auth.keys.ada]\ntoken_sha256 = "{digest}"\nroles = ["viewer"]\n')

    assert [key.digest for key in api_keys(settings)] == [digest]  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ('[auth.keys.ada]\nroles = ["viewer"]', "a key has either its token or token_sha256"),
        (f'[auth.keys.ada]\ntoken_sha256 = "{sha256().hexdigest()}"\nroles = ["viewer"]', "that of an empty token"),
        (
            f'[auth]\ntoken = "the-token-of-ada-1234"\n[auth.keys.ada]\nroles = ["viewer"]\n'
            f'token_sha256 = "{sha256(b"the-token-of-ada-1234").hexdigest()}"',
            "auth.keys.ada has the token of auth.token",
        ),
        ('[auth]\ntoken = "the-token-of-ada-1234"\nanonymous = true', "auth.anonymous lets everybody in"),
        ('[server]\nhost = "0.0.0.0"\n[auth]\nanonymous = true', "is reachable from other machines; listen on 127"),
        ('[server]\nhost = "0.0.0.0"', "which needs auth.token first"),
    ],
)
def test_keys_and_anonymity_that_cannot_be_are_refused(tmp_path: Path, text: str, problem: str):
    with pytest.raises(InvalidConfiguration, match=problem):
        settings_of(tmp_path, text)


@pytest.mark.parametrize(
    ("text", "is_open"),
    [
        ("", False),
        ("[auth]\nanonymous = true", True),
        ("[auth]\nanonymous = false", False),
        ('[auth]\ntoken = "the-token-of-ada-1234"', False),
        ('[server]\nhost = "0.0.0.0"\n[auth]\nanonymous = false', False),
    ],
)
def test_everybody_comes_in_where_that_is_asked_for_alone(tmp_path: Path, text: str, *, is_open: bool):
    assert settings_of(tmp_path, text).auth.is_open is is_open  # type: ignore[attr-defined]
