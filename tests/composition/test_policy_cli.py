"""`connector policy` as people and scripts use it."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from tests.composition.test_cli import here, run, run_json, undisturbed_logging

from connector.rules.policy.reading import default_policy, default_policy_text

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


STRICTER = {
    "hold_minutes: 240": "hold_minutes: 30",
    "\n    sources: [regional, central]\n": "\n    sources: [central]\n",
}


@pytest.fixture
def stricter(file: Path) -> Path:
    text = file.read_text()
    for before, after in STRICTER.items():
        head, _, tail = text.rpartition(before)  # of the last rule
        text = head + after + tail
    path = file.with_name("stricter.yaml")
    path.write_text(text)
    return path


def test_a_policy_is_activated_listed_shown_and_rolled_back(stricter: Path):
    first = default_policy().version

    done = run_json("policy", "activate", "stricter.yaml", "--author", "Ada", "--comment", "less freight")
    again = run_json("policy", "activate", "stricter.yaml")
    shown = run_json("policy", "show")
    listed = run_json("policy", "list")

    version = done["version"]
    assert done == {"version": version, "previous": first, "is_new": True}
    assert again == {"version": version, "previous": version, "is_new": False}
    assert (shown["version"], shown["text"], shown["author"]) == (version, stricter.read_text(), "Ada")
    assert [(item["version"], item["is_active"], item["activated_by"], item["comment"]) for item in listed] == [
        (version, True, "Ada", "less freight"), (first, False, "configuration", "from default_policy.yaml"),
    ]  # fmt: skip
    assert run("policy", "show", version.partition("@")[2][:6]).output == stricter.read_text()

    stale = run("policy", "rollback", "--from", first)
    back = run("policy", "rollback", "--author", "Ben")
    none = run("policy", "rollback")

    assert stale.exit_code == 1
    assert f"policy '{first}' is not the active one: it is '{version}'" in " ".join(stale.stderr.split())
    assert back.output == f"{first} is active, in place of {version}\n"
    assert "there is no policy to go back to" in none.stderr
    assert run("policy", "activate", version).output == f"{version} is active, in place of {first}\n"


def test_a_policy_that_is_invalid_or_fails_its_tests_is_refused_and_the_active_one_stays(file: Path):
    first = default_policy().version
    file.write_text(with_tests("  - {name: wrong, given: {ticket: {type: change}}, expect: {rule: null}}\n"))
    (file.parent / "bad.yaml").write_text("name: bad\nrules: []\n")

    invalid, failing = run("policy", "activate", "bad.yaml"), run("policy", "activate", "mine.yaml")

    assert (invalid.exit_code, failing.exit_code) == (2, 2)
    assert "  2:8: rules: is empty: expected at least one entry" in invalid.stderr
    assert "1 test of policy 'default@" in failing.stderr
    assert "  wrong: rule: expected null, got not-an-incident" in failing.stderr
    assert run_json("policy", "show")["version"] == first

    forced = run_json("policy", "activate", "mine.yaml", "--force", "the test is wrong, INC-7")

    assert forced["is_new"] is True
    assert run("policy", "test").exit_code == 4


def test_what_is_not_there_is_told(here: Path):
    gone, unknown = run("policy", "activate", "gone.yaml"), run("policy", "show", "nosuch")

    assert (gone.exit_code, unknown.exit_code) == (2, 3)
    assert "cannot be read: [Errno 2] No such file" in gone.stderr
    assert "there is no policy 'nosuch'" in unknown.stderr
    assert default_policy().version in unknown.stderr


def test_a_difference_is_told_by_path_and_by_text(stricter: Path):
    told = run("policy", "diff", "mine.yaml", "stricter.yaml").output
    changes = run_json("policy", "diff", "mine.yaml", "stricter.yaml")["changes"]

    assert '~ rules[hardware].sources: ["regional","central"] -> ["central"]\n' in told
    assert "~ rules[hardware].hold_minutes: 240 -> 30\n" in told
    assert "\n-    hold_minutes: 240\n+    hold_minutes: 30\n" in told
    assert [change["path"] for change in changes] == ["rules[hardware].sources", "rules[hardware].hold_minutes"]
    assert run("policy", "diff", "mine.yaml", "mine.yaml").output == "Both are the same.\n"
