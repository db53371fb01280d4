"""Packages that are wrong as packages: files, types and declarations, found by checks 1, 2, 4 to 6, 39 and 57."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from connector.sdk.testing import CheckResult, Golden, Outcome
from connector.sdk.testing.check import run_check
from connector.sdk.testing.checks import ALL_CHECKS
from tests.sdk.plugins import PACKAGES, declare, importable

with importable(PACKAGES):
    from connector_acme.contract import CONTRACT
    from connector_acme.mapping import records_of
    from connector_acme_wrong import WRONG

SOURCES_HEAD = "| payload | kind | source | changed |\n| --- | --- | --- | --- |\n"
README = "API version: 2\nSource: https://acme.test/api\n\n## Verified, and not\nNothing yet.\n"


@dataclass(frozen=True)
class WrongPackage:
    """A package with a subclass of the example. files: beside `py.typed` and `README.md`, or None to leave one out."""

    check: int
    says: str
    body: str = "pass"
    above: str = ""
    name: str = ""
    attribute: str = "Desk"
    files: Mapping[str, str | None] = field(default_factory=dict)


ASYNC = "async def check(self) -> {kind}:\n        return {value}"
WRONG_PACKAGES: dict[str, WrongPackage] = {
    "capital_letters": WrongPackage(1, "is not of the form [a-z][a-z0-9_]*: rename it", name="Acme-Desk"),
    "no_adapter": WrongPackage(
        1, "its entry point names 7, which is no Adapter class", attribute="made", above="made = 7"
    ),
    "reaches_inside": WrongPackage(
        2, "__init__.py, line 2 imports 'connector.storage': an adapter imports connector.sdk alone",
        above="from connector.storage import tables", body="tables = tables.__name__",
    ),
    "uses_the_kit": WrongPackage(
        2, "imports 'connector.sdk.testing': only contract, sandbox may",
        above="from connector.sdk.testing import MovableClock", body="kind = MovableClock",
    ),
    "reads_the_environment": WrongPackage(
        4, "it reads the environment (connector_reads_the_environment, line 4)",
        above="import os\n\nREGION = os.environ.get('ACME_REGION', 'eu')",
    ),
    "keeps_a_file": WrongPackage(
        4, "it writes the file '/tmp/acme-cache'",
        body="def __init__(self, config, http, clock):\n"
        "        super().__init__(config, http, clock)\n        open('/tmp/acme-cache', 'a').close()",
    ),
    "returns_a_number": WrongPackage(
        5, 'Return type "Coroutine[Any, Any, int]" of "check" incompatible with return type',
        body=ASYNC.format(kind="int", value=7),
    ),
    "untyped": WrongPackage(5, "has no py.typed: add an empty file of that name", files={"py.typed": None}),
    "undescribed": WrongPackage(6, "has no README.md: add it to the package", files={"README.md": None}),
    "of_no_version": WrongPackage(
        6, "README.md has no line that begins 'API version:'", files={"README.md": "Source: https://acme.test\n"}
    ),
    "of_unknown_worth": WrongPackage(
        6, "README.md has no section '## Verified, and not': say what was tried against what",
        files={"README.md": README.partition("Nothing")[0] + "## Sandbox\n"},
    ),
    "maps_otherwise": WrongPackage(
        39, 'sites.json becomes [{"ref": {"kind": "site", "external_id": "s1"}, "name": "Depot"}], '
        'sites.expected.json says [{"ref": {"kind": "site", "external_id": "s1"}, "name": "Depo"}]',
        files={
            "payloads/sites.json": '{"items": [{"id": "s1", "name": "Depot"}]}',
            "payloads/sites.expected.json": '[{"ref": {"kind": "site", "external_id": "s1"}, "name": "Depo"}]',
        },
    ),
    "expects_nothing": WrongPackage(
        39, "sites.json has no sites.expected.json beside it", files={"payloads/sites.json": '{"items": []}'}
    ),
    "says_no_source": WrongPackage(
        57, "sites.json has no row in SOURCES.md: say where it comes from",
        files={"payloads/sites.json": "{}", "payloads/SOURCES.md": SOURCES_HEAD},
    ),
}  # fmt: skip
"""By name, with the check that each fails and a part of what it says."""


def write(folder: Path, name: str, wrong: WrongPackage) -> Path:
    """The package, in `folder`."""
    package = folder / f"connector_{name}"
    (package / "payloads").mkdir(parents=True)
    head = f"from connector_acme import Acme\n{wrong.above}\n\n\n"
    (package / "__init__.py").write_text(f"{head}class Desk(Acme):\n    {wrong.body}\n")
    for path, text in {"py.typed": "", "README.md": README, **wrong.files}.items():
        if text is not None:
            (package / path).write_text(text)
    return package


def result_of(number: int, adapter: str, payloads: Path) -> CheckResult:
    contract = replace(CONTRACT, adapter=adapter, golden=Golden(payloads, records_of))
    return asyncio.run(run_check(contract, next(check for check in ALL_CHECKS if check.number == number)))


@pytest.mark.parametrize("name", WRONG_PACKAGES)
def test_a_wrong_package_fails_the_check_that_is_meant_for_it(tmp_path: Path, name: str):
    wrong = WRONG_PACKAGES[name]
    package = write(tmp_path, name, wrong)
    adapter = wrong.name or name
    declare(tmp_path, f"connector-{name}", {adapter: f"connector_{name}:{wrong.attribute}"})

    with importable(tmp_path):
        result = result_of(wrong.check, adapter, package / "payloads")

    assert result.outcome is Outcome.FAILED
    assert wrong.says in result.reason


def test_every_check_can_fail():
    """A check that no wrong adapter fails proves nothing."""
    proven = {number for failed in WRONG.values() for number in failed}
    proven |= {wrong.check for wrong in WRONG_PACKAGES.values()}

    assert sorted(proven) == [check.number for check in ALL_CHECKS]


def test_adapters_of_one_distribution_are_typed_together_and_judged_one_by_one(tmp_path: Path):
    right, wrong = "pass", WRONG_PACKAGES["returns_a_number"].body
    first = write(tmp_path, "first", WrongPackage(5, "", body=right))
    write(tmp_path, "second", WrongPackage(5, "", body=wrong))
    declare(tmp_path, "connector-both", {"first": "connector_first:Desk", "second": "connector_second:Desk"})

    with importable(tmp_path):
        before = [result_of(5, name, first) for name in ("first", "second")]
        (first / "__init__.py").write_text((first / "__init__.py").read_text().replace("pass", wrong))
        after = result_of(5, "first", first)
        (first / "__init__.py").write_text("class Desk(:\n")
        no_python = [result_of(5, name, first).reason for name in ("first", "second")]

    assert [(each.outcome, each.reason[:60]) for each in before] == [
        (Outcome.PASSED, ""),
        (Outcome.FAILED, "mypy --strict finds: connector_second/__init__.py:6: error: "),
    ]
    assert (after.outcome, after.reason[:19]) == (Outcome.FAILED, "mypy --strict finds")
    assert "connector_first/__init__.py:1" in no_python[0]
    assert "connector_second/__init__.py" in no_python[1]
