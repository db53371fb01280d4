"""`connector demo`: the hub with its sandbox systems, and incidents to watch."""

from __future__ import annotations

import asyncio
import os
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.output import console, print_json, told

demo = typer.Typer(help="The demo: run it, open incidents in it, begin it anew.", no_args_is_help=True)

HOME_VARIABLE = "CONNECTOR_DEMO_HOME"
DEFAULT_HOME = Path("var/demo")

Home = Annotated[Path | None, typer.Option("--home", help=f"The demo's directory, {DEFAULT_HOME} by default.")]


def _home(given: Path | None) -> Path:
    return (given or Path(os.environ.get(HOME_VARIABLE, DEFAULT_HOME))).resolve()


@demo.command()
def run(
    home: Home = None,
    incident: Annotated[bool, typer.Option(help="Open one P1 incident soon after the start.")] = True,
) -> None:
    """Start sandbox systems and hub, load the fleet, and tell what happens until Ctrl-C."""
    from connector.demo.run import run_until_interrupted

    with told():
        asyncio.run(run_until_interrupted(_home(home), console=console, incident=incident))


@demo.command()
def incident(
    priority: Annotated[str, typer.Option(help="P1 to P4.", metavar="PRIORITY")] = "P1",
    asset_tag: Annotated[str | None, typer.Option(help="The device that failed; any in use by default.")] = None,
    site: Annotated[str | None, typer.Option(help="IATA code of the site, for example BER; any by default.")] = None,
    home: Home = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Open an incident in the sandbox service desk, and wait until the hub has heard of it."""
    from connector.demo.fleet import demo_fleet
    from connector.demo.home import read_state
    from connector.demo.incident import choose_device, open_incident
    from connector.model.errors import InvalidInput

    with told(as_json=as_json):
        if priority.upper() not in ("P1", "P2", "P3", "P4"):
            raise InvalidInput(f"priority {priority!r} is not one of P1, P2, P3, P4")
        state = read_state(_home(home))
        device = choose_device(demo_fleet(), asset_tag=asset_tag, site=site)
        opened = asyncio.run(open_incident(state, device, priority.upper()))
    if as_json:
        print_json(asdict(opened))
        return
    console.print(f"Ticket {opened.number}: {opened.title}", highlight=False)
    console.print(f"  {opened.priority} at {opened.site}, asset {opened.asset_tag}", highlight=False)
    console.print(f"  {opened.url}", highlight=False)
    console.print(f"Why which hub: connector explain {opened.number} --config {_home(home)}/connector.toml")


@demo.command()
def reset(home: Home = None) -> None:
    """Forget everything: the hub's data and the sandbox systems'. The demo must not be running."""
    import shutil
    import socket

    from connector.demo.home import read_state
    from connector.model.errors import InvalidInput

    with told():
        path = _home(home)
        state = read_state(path)
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", state.hub_port)) == 0:
                raise InvalidInput("the demo is running", hint="Stop it with Ctrl-C first.")
        shutil.rmtree(path)
    console.print(f"{path} is gone; `make run` begins anew.", highlight=False)
