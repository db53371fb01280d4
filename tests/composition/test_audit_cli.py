"""`connector audit` as people and scripts use it."""

from __future__ import annotations

import json
import sqlite3
from contextlib import closing
from pathlib import Path

from tests.composition.test_cli import here, run, run_json, undisturbed_logging

__all__ = ["here", "undisturbed_logging"]


def test_a_log_is_checked_against_a_head_that_was_kept_and_a_change_of_it_is_found(here: Path):
    run("keys", "create", "robot", "--role", "viewer")
    head = run("audit", "head").stdout.strip()
    healthy = run("audit", "verify", "--head", head)
    told = run_json("audit", "verify")
    last = told["position"]
    with closing(sqlite3.connect(here / "hub.db")) as db, db:
        db.execute("UPDATE change SET actor = 'cli:eve' WHERE position = ?", (last,))
    changed = run("audit", "verify")
    as_json = run("audit", "verify", "--json")

    assert (healthy.exit_code, f"Head: {head}" in healthy.output) == (0, True)
    assert (told["unsealed"], told["broken"], told["head"]) == (0, None, head)
    assert changed.exit_code == 4
    assert changed.stderr == (
        f"The log is not what was sealed: position {last}, link 1: the change is not the one that was sealed.\n"
    )
    assert (as_json.exit_code, json.loads(as_json.stdout)["broken"]["position"]) == (4, last)


def test_a_tail_that_was_cut_off_is_found_by_the_head(here: Path):
    run("keys", "create", "robot", "--role", "viewer")
    head = run("audit", "head").stdout.strip()
    with closing(sqlite3.connect(here / "hub.db")) as db, db:
        db.execute("DELETE FROM change")
        db.execute("DELETE FROM audit_seal")

    found = run("audit", "verify", "--head", head)
    assert (found.exit_code, "the end of the chain was cut off" in found.stderr) == (4, True)


def test_what_is_no_digest_is_refused(here: Path):
    refused = run("audit", "verify", "--head", "abc")

    assert (refused.exit_code, "'abc' is no digest" in refused.stderr) == (2, True)


def test_the_log_is_exported_and_that_is_logged(here: Path):
    run("keys", "create", "robot", "--role", "viewer")
    said = run("audit", "export", "--output", "audit.jsonl")
    lines = [json.loads(line) for line in (here / "audit.jsonl").read_text().splitlines()]
    streamed = run("audit", "export", "--after", "1")
    nowhere = run("audit", "export", "--output", "nowhere/audit.jsonl")

    assert said.output == f"{len(lines)} lines written to audit.jsonl.\n"
    *_, made, exported, link = lines
    assert made["change"]["fields"]["name"] == [None, "robot"]
    assert exported["change"]["fields"] == {"event": [None, "exported"], "what": [None, "audit"], "after": [None, 0]}
    assert link["link"]["last"] == exported["change"]["position"]
    assert [json.loads(line) for line in streamed.stdout.splitlines()][: len(lines) - 1] == [*lines[1:-1], link]
    assert (nowhere.exit_code, "cannot be written" in nowhere.stderr) == (2, True)
