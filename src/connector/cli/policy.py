"""`connector policy`: policies as documents, to be validated and tested."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import orjson
import typer

from connector.cli.configured import AsJson, Config, loaded_settings
from connector.cli.output import ExitCode, console, fail, print_json, told
from connector.rules.marks import compose
from connector.rules.policy import InvalidPolicy, default_policy_text, read_policy
from connector.rules.policy_tests import PolicyTestResult, run_tests

policy = typer.Typer(help="Policies: validate, test.", no_args_is_help=True)


@policy.command()
def validate(
    file: Annotated[Path, typer.Argument(help="Policy file.")],
    as_json: AsJson = False,
) -> None:
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
        return
    console.print(
        f"{file} is valid: {read.version}, {len(read.rules)} rules, {len(read.tests)} tests",
        markup=False, highlight=False, soft_wrap=True,
    )  # fmt: skip


@policy.command("test")
def run(
    file: Annotated[Path | None, typer.Argument(help="Policy file; the configured policy when left out.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Run the tests inside a policy; leaves with exit code 4 when one of them fails."""
    with told(as_json=as_json):
        path = file or loaded_settings(config, log_level="WARNING").settings.policy
        source = str(path) if path else "default_policy.yaml"
        read = read_policy(path) if path else read_policy(default_policy_text(), source=source)
        results = run_tests(read)
    text = path.read_text(encoding="utf-8") if path else default_policy_text()
    failed = [result for result in results if not result.has_passed]
    if as_json:
        print_json({"version": read.version, "passed": len(results) - len(failed), "failed": len(failed),
                    "tests": [test_json(result) for result in results]})  # fmt: skip
    else:
        print_failures(source, text, failed)
        console.print(f"{read.version}: {len(results) - len(failed)} passed, {len(failed)} failed", highlight=False)
    if failed:
        raise typer.Exit(ExitCode.UNHEALTHY)


def test_json(result: PolicyTestResult) -> dict[str, object]:
    """The result of a test as JSON values."""
    return {
        "name": result.name,
        "passed": result.has_passed,
        "differences": [{"what": item.what, "expected": item.expected, "got": item.got} for item in result.differences],
        "decision": result.text,
    }


def print_failures(source: str, text: str, failed: Sequence[PolicyTestResult]) -> None:
    """Failed tests, each with its place, what was expected, and what came out."""
    marked = compose(text)
    for result in failed:
        mark = marked.place(("tests", result.number))
        console.print(f"[bold red]FAILED[/] {source}:{mark}: ", end="", highlight=False, soft_wrap=True)
        console.print(result.name, markup=False, highlight=False, soft_wrap=True)
        for item in result.differences:
            line = f"  {item.what}: expected {shown(item.expected)}, got {shown(item.got)}"
            console.print(line, markup=False, highlight=False, soft_wrap=True)
        console.print(f"  {result.text}", markup=False, highlight=False, soft_wrap=True)


def shown(value: object) -> str:
    """A value as policy documents write it."""
    return value if isinstance(value, str) else orjson.dumps(value).decode()
