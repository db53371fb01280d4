"""`connector policy`: policies as documents, to be validated, tested, compared, activated and rolled back."""

from __future__ import annotations

import getpass
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer

from connector.cli.backtest import backtest
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import ExitCode, console, fail, print_json, print_table, told
from connector.cli.policy_document import policy_document
from connector.fulfilment.suppliers import require_suppliers
from connector.hub import Hub
from connector.model.marks import compose
from connector.model.principals import at_the_command_line
from connector.rules.checks.policy_tests import PolicyTestResult, run_tests, shown
from connector.rules.policy.comparing import PolicyChange, changes_between, text_difference
from connector.rules.policy.reading import InvalidPolicy, read_policy
from connector.storage.database.engine import reading, transaction
from connector.storage.policies.policies import (
    Activation,
    PolicyVersion,
    activate_policy,
    list_policies,
    policy_version,
    rollback_policy,
)

policy = typer.Typer(
    help="Policies: validate, test, list, show, diff, activate, rollback, backtest.", no_args_is_help=True
)

Document = Annotated[str, typer.Argument(help="Policy file, or a version (the beginning of its hash is enough).")]
Author = Annotated[str | None, typer.Option(help="Who does it, for the record; your account by default.")]
Comment = Annotated[str | None, typer.Option(help="Why, for the record.")]


@policy.command()
def validate(file: Annotated[Path, typer.Argument(help="Policy file.")], as_json: AsJson = False) -> None:
    """Read a policy file and tell every mistake in it with line and column."""
    try:
        read = read_policy(file)
    except InvalidPolicy as error:
        if not as_json:
            fail(error)
        problems = [
            {"line": problem.mark.line, "column": problem.mark.column, "path": problem.path, "problem": problem.text}
            for problem in error.found
        ]
        print_json({"valid": False, "problems": problems})
        raise typer.Exit(ExitCode.INVALID) from error
    if as_json:
        print_json({"valid": True, "version": read.version, "rules": len(read.rules), "tests": len(read.tests)})
    else:
        _say(f"{file} is valid: {read.version}, {len(read.rules)} rules, {len(read.tests)} tests")


@policy.command("test")
def run(
    document: Annotated[str | None, typer.Argument(help="Policy file or version; the active one by default.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Run the tests inside a policy; leaves with exit code 4 when one of them fails."""
    source, text = policy_document(document, config, as_json=as_json)
    with told(as_json=as_json):
        read = read_policy(text, source=source)
    results = run_tests(read)
    failed = [result for result in results if not result.has_passed]
    passed = len(results) - len(failed)
    if as_json:
        tests = [_test_json(result) for result in results]
        print_json({"version": read.version, "passed": passed, "failed": len(failed), "tests": tests})
    else:
        _print_failures(source, text, failed)
        _say(f"{read.version}: {passed} passed, {len(failed)} failed")
    if failed:
        raise typer.Exit(ExitCode.UNHEALTHY)


@policy.command("list")
def list_versions(config: Config = None, as_json: AsJson = False) -> None:
    """List every version that was ever taken in, the newest first."""

    async def read(hub: Hub) -> list[PolicyVersion]:
        async with reading(hub.database) as tx:
            return await list_policies(tx)

    versions = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json([_version_json(item) for item in versions])
        return
    rows = [
        {
            "": "active" if item.is_active else "",
            "version": item.version,
            "author": item.author,
            "activated": item.activated_at or "never",
            "comment": item.comment,
        }
        for item in versions
    ]
    print_table("Policies", rows, empty="There is no policy yet.")


@policy.command()
def show(
    version: Annotated[str | None, typer.Argument(help="Version; the active one by default.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show the text of a version as it was written."""

    async def read(hub: Hub) -> PolicyVersion:
        async with reading(hub.database) as tx:
            return await policy_version(tx, version)

    found = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json({**_version_json(found), "text": found.text})
    else:
        typer.echo(found.text, nl=not found.text.endswith("\n"))


@policy.command()
def diff(before: Document, after: Document, config: Config = None, as_json: AsJson = False) -> None:
    """Say what the second policy does differently, path by path, and show how the texts differ."""
    first, second = (policy_document(name, config, as_json=as_json) for name in (before, after))
    with told(as_json=as_json):
        changes = changes_between(*(read_policy(text, source=name) for name, text in (first, second)))
    text = text_difference(first[1], second[1], names=(first[0], second[0]))
    if as_json:
        listed = [{"kind": c.kind, "path": c.path, "before": c.before, "after": c.after} for c in changes]
        print_json({"changes": listed, "text": text})
        return
    for change in changes:
        _say(_change_line(change))
    if not changes:
        _say("Both decide the same." if text else "Both are the same.")
    if text:
        _say(f"\n{text}")


@policy.command()
def activate(
    document: Document,
    author: Author = None,
    comment: Comment = None,
    force: Annotated[
        str | None, typer.Option(help="Activate it although its tests fail; the reason is recorded.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make a policy the active one; running hubs take it up with their next decision."""
    source, text = policy_document(document, config, as_json=as_json)

    async def do(hub: Hub) -> Activation:
        require_suppliers(text, hub.connections, broken=hub.broken, source=source)
        async with transaction(hub.database) as tx:
            return await activate_policy(
                tx, text, author=author or _me(), at=hub.clock.now(), comment=comment,
                forced_because=force, source=source,
            )  # fmt: skip

    _tell(with_hub(config, do, as_json=as_json), as_json=as_json)


@policy.command()
def rollback(
    author: Author = None,
    comment: Comment = None,
    from_version: Annotated[
        str | None, typer.Option("--from", help="Version that must be the active one, else nothing is done.")
    ] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Make the policy active again that was active before; once more goes one further back."""

    async def do(hub: Hub) -> Activation:
        async with transaction(hub.database) as tx:
            expected = (await policy_version(tx, from_version)).version if from_version else None
            return await rollback_policy(
                tx,
                author=author or _me(),
                at=hub.clock.now(),
                comment=comment,
                expected=expected,
            )

    _tell(with_hub(config, do, as_json=as_json), as_json=as_json)


policy.command()(backtest)


def _me() -> str:
    return at_the_command_line(getpass.getuser()).name


def _tell(done: Activation, *, as_json: bool) -> None:
    if as_json:
        print_json({"version": done.version, "previous": done.previous, "is_new": done.is_new})
    elif done.is_new:
        _say(f"{done.version} is active" + (f", in place of {done.previous}" if done.previous else ""))
    else:
        _say(f"{done.version} is active already")


def _version_json(item: PolicyVersion) -> dict[str, object]:
    return {
        "version": item.version, "is_active": item.is_active, "author": item.author, "comment": item.comment,
        "created_at": item.created_at, "activated_at": item.activated_at, "activated_by": item.activated_by,
    }  # fmt: skip


def _test_json(result: PolicyTestResult) -> dict[str, object]:
    differences = [{"what": item.what, "expected": item.expected, "got": item.got} for item in result.differences]
    return {
        "name": result.name, "passed": result.has_passed, "differences": differences, "decision": result.text,
    }  # fmt: skip


def _print_failures(source: str, text: str, failed: Sequence[PolicyTestResult]) -> None:
    """Failed tests, each with its place, what was expected, and what came out."""
    marked = compose(text)
    for result in failed:
        mark = marked.place(("tests", result.number))
        _say(f"FAILED {source}:{mark}: {result.name}")
        for item in result.differences:
            _say(f"  {item.what}: expected {shown(item.expected)}, got {shown(item.got)}")
        _say(f"  {result.text}")


def _change_line(change: PolicyChange) -> str:
    match change.kind:
        case "added":
            return f"+ {change.path}: {_value(change.after)}"
        case "removed":
            return f"- {change.path}: {_value(change.before)}"
        case "moved":
            return f"~ {change.path}: moved from place {change.before} to {change.after}"
        case "changed":
            return f"~ {change.path}: {_value(change.before)} -> {_value(change.after)}"


def _value(value: object) -> str:
    return value if isinstance(value, str) else orjson.dumps(value).decode()


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
