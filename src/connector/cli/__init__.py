"""The command line: `connector`."""

from __future__ import annotations

from typing import Annotated

import typer

from connector import __version__
from connector.cli.adapters import adapters
from connector.cli.approvals import approvals
from connector.cli.backtest import backtest
from connector.cli.break_glass import break_glass
from connector.cli.channel import channel
from connector.cli.demo import demo
from connector.cli.doctor import doctor
from connector.cli.explain import explain
from connector.cli.groups import groups
from connector.cli.hub import migrate, schema, serve
from connector.cli.loan import loan
from connector.cli.placement import placement
from connector.cli.policy import policy
from connector.cli.procurement import procurement
from connector.cli.quarantine import quarantine
from connector.cli.replenishment import replenishment
from connector.cli.reservation import reservation
from connector.cli.rma import rma
from connector.cli.rollout import rollout
from connector.cli.sources import sources, sync

app = typer.Typer(
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


for command in (serve, sync, sources, explain, placement, doctor, migrate, schema):
    app.command()(command)
app.add_typer(adapters, name="adapters")
app.add_typer(quarantine, name="quarantine")
app.command("break-glass")(break_glass)
app.add_typer(approvals, name="approvals")
app.add_typer(groups, name="groups")
app.add_typer(channel, name="channel")
app.add_typer(procurement, name="procurement")
app.add_typer(loan, name="loan")
app.add_typer(replenishment, name="replenishment")
app.add_typer(rma, name="rma")
policy.command()(backtest)
app.add_typer(policy, name="policy")
app.add_typer(rollout, name="rollout")
app.add_typer(reservation, name="reservation")
app.add_typer(demo, name="demo")
