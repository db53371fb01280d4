"""`connector adapters`: what is installed, how well it does, and a start for a new one."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.output import ExitCode, console, print_json, print_table, told
from connector.cli.trying import try_source
from connector.model.errors import InvalidInput

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
def check_adapter(
    name: Annotated[str | None, typer.Argument(help="The adapter's name.")] = None,
    every: Annotated[bool, typer.Option("--all", help="All installed adapters, one after the other.")] = False,
    write: Annotated[Path | None, typer.Option(help="With --all: also write the table there, as Markdown.")] = None,
    as_json: AsJson = False,
) -> None:
    """Run the contract kit against an adapter and print the result of each check; of all, a row for each."""
    from connector.cli import quality
    from connector.sdk.testing import Outcome, find_contract, run_contract

    with told(as_json=as_json):
        if every == (name is not None) or (write is not None and not every):
            raise InvalidInput("name one adapter, or say --all; --write goes with --all")
        if name is not None:
            results: quality.Results = {name: asyncio.run(run_contract(find_contract(name)))}
        else:
            results = quality.checked_adapters(is_quiet=as_json)
        if write is not None:
            write.write_text(quality.as_markdown(results, quality.known_sources(results)), encoding="utf-8")
    if as_json:
        told_of = [quality.as_json(adapter, mine) for adapter, mine in results.items()]
        print_json(told_of if every else told_of[0])
    elif every:
        print_table("Adapters", quality.summary(results), empty="No adapter is installed.")
    for adapter, mine in () if as_json else results.items():
        shown = [r for r in mine if not every or r.outcome is Outcome.FAILED]
        rows = [{"#": r.number, "check": r.title, "result": r.outcome.value, "reason": r.reason} for r in shown]
        if rows or not every:
            print_table(f"Adapter {adapter}", rows, empty="No check applies.")
            console.print(", ".join(f"{count} {outcome.value}" for outcome, count in quality.counted(mine).items()))
    if any(quality.counted(mine)[Outcome.FAILED] for mine in results.values()):
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
