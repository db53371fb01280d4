"""`connector policy` as people and scripts use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.composition.test_cli import here, run, run_json, undisturbed_logging

from connector.rules.policy import default_policy, default_policy_text

__all__ = ["here", "undisturbed_logging"]

TESTS = """
tests:
  - name: a change needs nothing
    given: {ticket: {type: change}}
    expect: {rule: not-an-incident, hardware: none}
"""


def with_tests(more: str = "") -> str:
    text = default_policy_text().partition("\ntests:")[0]
    return text + TESTS + more


@pytest.fixture
def file(here: Path) -> Path:
    path = here / "mine.yaml"
    path.write_text(with_tests())
    return path


def test_a_valid_policy_is_said_to_be_valid(file: Path):
    assert run("policy", "validate", "mine.yaml").output.startswith("mine.yaml is valid: default@")
    assert run_json("policy", "validate", "mine.yaml")["valid"] is True


def test_every_mistake_is_told_with_its_place(file: Path):
    file.write_text(
        with_tests().replace("hardware: none}", "hardware: nothing}").replace("name: default", "nam: default")
    )

    result = run("policy", "validate", "mine.yaml")
    as_json = run("policy", "validate", "mine.yaml", "--json")

    assert result.exit_code == as_json.exit_code == 2
    problems = json.loads(as_json.stdout)["problems"]
    assert [(p["path"], p["line"] > 0, p["column"] > 0) for p in problems] == [
        ("name", True, True), ("nam", True, True), ("tests[0].expect.hardware", True, True),
    ]  # fmt: skip
    last = problems[-1]
    assert f"{last['line']}:{last['column']}: tests[0].expect.hardware: Input should be" in result.stderr


def test_tests_that_pass_are_counted(file: Path):
    result = run("policy", "test", "mine.yaml")

    assert result.exit_code == 0
    assert result.output.endswith(": 1 passed, 0 failed\n")


def test_a_test_that_fails_says_what_was_expected_and_what_came_out(file: Path):
    file.write_text(
        with_tests("  - {name: wrong, given: {ticket: {type: change}}, expect: {rule: null, hardware: replace}}\n")
    )
    line = file.read_text().splitlines().index(file.read_text().splitlines()[-1]) + 1

    result = run("policy", "test", "mine.yaml")
    as_json = run("policy", "test", "mine.yaml", "--json")

    assert (result.exit_code, as_json.exit_code) == (4, 4)
    assert f"FAILED mine.yaml:{line}:5: wrong\n" in result.output
    assert "  rule: expected null, got not-an-incident\n  hardware: expected replace, got none\n" in result.output
    content = json.loads(as_json.stdout)
    assert (content["passed"], content["failed"]) == (1, 1)
    assert content["tests"][1]["differences"][1] == {"what": "hardware", "expected": "replace", "got": "none"}


def test_without_a_file_the_configured_policy_is_tested(here: Path):
    assert default_policy().version in run("policy", "test").output
