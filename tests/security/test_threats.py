"""The page on security names tests that there are, and says of webhooks what the adapters check."""

from __future__ import annotations

import ast
import re
import tomllib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from connector.sdk import ReceivesWebhooks
from connector.sdk.registry import load_adapter
from connector.sdk.testing import MovableClock, find_contract

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
NAMED = sorted(set(re.findall(r"`((?:tests|adapters)/[\w/]+\.py)::(\w+)`", PAGE)))
CLOCK = MovableClock(datetime(2026, 12, 3, tzinfo=UTC))


@pytest.mark.parametrize("path", sorted({path for path, _ in NAMED}))
def test_the_tests_that_are_named_are_there(path: str):
    module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    there = {node.name for node in module.body if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)}

    assert {name for where, name in NAMED if where == path} <= there


def test_every_threat_has_one():
    boundaries = PAGE.split("\n## Boundaries")[1].split("\n## Webhooks")[0]
    threats = [line for line in boundaries.splitlines() if re.match(r"\| (?!threat \||---)", line)]

    assert len(threats) > 20
    assert [line for line in threats if "::test_" not in line] == []


def test_the_table_of_webhooks_says_what_each_adapter_checks():
    section = PAGE.split("\n## Webhooks\n")[1].split("\n## ")[0]
    rows = [line for line in section.splitlines() if line.startswith("| ") and not line.startswith("| adapter |")]

    assert rows == list(table())


def table() -> list[str]:
    """Its rows, by what the adapters' sandboxes say, which check 27 of the contract kit holds them to."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    rows = []
    for name in sorted(project["entry-points"]["connector.adapters"]):
        if issubclass(load_adapter(name), ReceivesWebhooks):
            signature = find_contract(name).sandbox(CLOCK).signature()
            age = signature.expires_after
            told = "no" if age is None else f"{age // timedelta(minutes=1)} min"
            body = "yes" if signature.covers_body else "no"
            rows.append(
                f"| {name} | {signature.where} `{signature.name}` | {body} | {told} | {signature.reason or '–'} |"
            )
    return rows


if __name__ == "__main__":  # prints the rows, for the page
    print("\n".join(table()))  # noqa: T201
