"""`connector adapters`: what is installed, how well it does, and a start for a new one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.output import ExitCode, console, print_json, print_table, told
from connector.cli.trying import try_source

adapters = typer.Typer(
    help="Adapters: list the installed ones, check one, try a source, begin a new one.", no_args_is_help=True
)
adapters.command("try")(try_source)

AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@adapters.command("list")
def list_adapters(as_json: AsJson = False) -> None:
    """Show every installed adapter, what it can do, and why one cannot be used."""
    from connector.sdk.adapter import capabilities
    from connector.sdk.registry import installed_adapters

    rows = [
        {
            "name": found.name,
            "package": found.package,
            "capabilities": sorted(capabilities(found.adapter)) if found.adapter else [],
            "problem": found.problem,
        }
        for found in installed_adapters()
    ]
    if as_json:
        print_json(rows)
        return
    shown = [{**row, "capabilities": ", ".join(row["capabilities"] or [])} for row in rows]
    print_table("Adapters", shown, empty="No adapter is installed.")


@adapters.command("check")
def check_adapter(name: Annotated[str, typer.Argument(help="The adapter's name.")], as_json: AsJson = False) -> None:
    """Run the contract kit against an adapter and print the result of each check."""
    from connector.sdk.testing import Outcome, find_contract, run_contract

    with told(as_json=as_json):
        results = asyncio.run(run_contract(find_contract(name)))
    counts = {outcome: sum(result.outcome is outcome for result in results) for outcome in Outcome}
    if as_json:
        print_json(
            {
                "adapter": name,
                "counts": {outcome.value: count for outcome, count in counts.items()},
                "checks": [
                    {"number": r.number, "title": r.title, "outcome": r.outcome.value, "reason": r.reason}
                    for r in results
                ],
            }
        )
    else:
        rows = [{"#": r.number, "check": r.title, "result": r.outcome.value, "reason": r.reason} for r in results]
        print_table(f"Adapter {name}", rows, empty="No check applies.")
        console.print(", ".join(f"{count} {outcome.value}" for outcome, count in counts.items()))
    if counts[Outcome.FAILED]:
        raise typer.Exit(ExitCode.UNHEALTHY)


@adapters.command("new")
def new_adapter(
    name: Annotated[str, typer.Argument(help="Name of the system, for example 'acme_desk'.")],
    directory: Annotated[Path, typer.Option(help="Where to put the package.")] = Path(),
    as_json: AsJson = False,
) -> None:
    """Write a package with a working adapter to start from: config, client, mapping, sandbox, contract test."""
    from connector.sdk.template import create_adapter

    with told(as_json=as_json):
        written = create_adapter(name, directory)
    if as_json:
        print_json([str(path) for path in written])
        return
    for path in written:
        console.print(f"  {path}", highlight=False)
    console.print(f"Next: install it with `pip install -e`, then `connector adapters check {name}`.")
