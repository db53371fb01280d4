"""The command line: `connector`. A command is imported when it is asked for: `serve` needs none of the others."""

from __future__ import annotations

from importlib import import_module
from typing import Annotated, Any

import typer
from typer.core import TyperGroup
from typer.main import get_command, get_group

from connector import __version__
from connector.memory import loading

COMMANDS = {
    "serve": "hub",
    "sync": "sync",
    "plans": "plans",
    "sources": "sources",
    "explain": "explain",
    "placement": "placement",
    "quality": "data_quality",
    "doctor": "doctor",
    "migrate": "hub",
    "database": "database",
    "backup": "backup",
    "restore": "backup",
    "schema": "hub",
    "break-glass": "break_glass",
    "adapters": "adapters",
    "quarantine": "quarantine",
    "aliases": "aliases",
    "identity": "identity",
    "golden": "golden",
    "approvals": "approvals",
    "keys": "keys",
    "audit": "audit",
    "events": "events",
    "groups": "groups",
    "channel": "channel",
    "procurement": "procurement",
    "loan": "loan",
    "replenishment": "replenishment",
    "rma": "rma",
    "policy": "policy",
    "rollout": "rollout",
    "reservation": "reservation",
    "offline": "offline",
    "demo": "demo",
}
"""Command -> the module of this package in which it stands by its own name, in the order in which help tells them."""


class _Commands(TyperGroup):
    def list_commands(self, ctx: Any) -> list[str]:  # noqa: ARG002
        """All of them."""
        return list(COMMANDS)

    def get_command(self, ctx: Any, cmd_name: str) -> Any:  # noqa: ARG002  # typer keeps the types of click to itself
        """A command; for a name that is none all are imported, so that the one that was meant can be suggested."""
        for name in [cmd_name] if cmd_name in COMMANDS else COMMANDS:
            if name not in self.commands:
                self.commands[name] = _imported(name)
        return self.commands.get(cmd_name)


def _imported(name: str) -> Any:
    with loading():
        found = getattr(import_module(f"{__name__}.{COMMANDS[name]}"), name.replace("-", "_"))
    if isinstance(found, typer.Typer):
        group = get_group(found)
        group.name = name
        return group
    alone = typer.Typer(add_completion=False)
    alone.command(name)(found)
    return get_command(alone)


app = typer.Typer(
    cls=_Commands,
    help="A GraphQL integration hub for IT hardware logistics.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_show_locals=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(__version__)
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version.")
    ] = False,
) -> None:
    """A GraphQL integration hub for IT hardware logistics."""
