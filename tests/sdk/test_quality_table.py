"""The quality table in the docs has every adapter and every promise, and none is broken."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from connector.cli.quality import MARKS, as_markdown
from connector.sdk.testing import (
    CheckResult,
    Golden,
    Outcome,
    PayloadKind,
    PayloadSource,
    find_contract,
    payload_sources,
)
from connector.sdk.testing.checks import ALL_CHECKS

PAGE = Path(__file__).parents[2] / "docs" / "adapter-quality.md"
AGAIN = "write it anew: connector adapters check --all --write docs/adapter-quality.md"


@pytest.fixture(scope="module")
def rows() -> list[list[str]]:
    """The cells of all tables of the page."""
    lines = PAGE.read_text(encoding="utf-8").splitlines()
    return [[cell.strip() for cell in line.strip("|").split(" | ")] for line in lines if line.startswith("|")]


def test_every_installed_adapter_is_in_it_and_breaks_no_promise(rows: list[list[str]]):
    counts = {row[0]: row[1:] for row in rows if len(row) == 1 + len(Outcome)}
    del counts["adapter"], counts["---"]

    project = tomllib.loads((PAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert sorted(counts) == sorted(project["entry-points"]["connector.adapters"]), AGAIN
    for name, (passed, failed, absent) in counts.items():
        assert (int(failed), int(passed) + int(absent)) == (0, len(ALL_CHECKS)), f"{name}: {AGAIN}"


def test_every_promise_is_in_it_as_it_reads_today(rows: list[list[str]]):
    checks = [row for row in rows if row[0].isdecimal() and "](https://" not in row[-1]]

    assert [(int(row[0]), row[1]) for row in checks] == [(check.number, check.title) for check in ALL_CHECKS], AGAIN
    assert {cell for row in checks for cell in row[2:]} <= {MARKS[Outcome.PASSED], MARKS[Outcome.NOT_APPLICABLE]}


def test_the_origin_of_every_payload_is_counted(rows: list[list[str]]):
    kinds = ["recorded", "example", "written", "own"]
    start = rows.index(["adapter", *kinds])

    counts = {row[0]: [int(cell) for cell in row[1:]] for row in rows[start + 2 :]}

    project = tomllib.loads((PAGE.parents[1] / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert sorted(counts) == sorted(project["entry-points"]["connector.adapters"]), AGAIN
    for name, counted in counts.items():
        golden = find_contract(name).golden
        assert isinstance(golden, Golden)
        named = [str(source.kind) for source in payload_sources(golden.folder)]
        assert counted == [named.count(kind) for kind in kinds], f"{name}: {AGAIN}"


def test_what_fails_and_what_does_not_apply_can_be_read():
    results = [
        CheckResult(1, "one | two", Outcome.PASSED),
        CheckResult(2, "three", Outcome.FAILED, "it hangs"),
        CheckResult(3, "four", Outcome.NOT_APPLICABLE, "there is no such thing"),
    ]

    page = as_markdown(
        {"acme": results}, {"acme": [PayloadSource("a.json", PayloadKind.WRITTEN, "https://acme.test", "-")]}
    )

    assert "| acme | 1 | 1 | 1 |" in page
    assert "| 1 | one \\| two | \N{CHECK MARK} |" in page
    assert "| 2 | three | \N{BALLOT X} |" in page
    assert "| acme | 0 | 0 | 1 | 0 |" in page
    assert page.endswith("**acme**\n\n- 3 four: there is no such thing\n")
