"""`connector serve`, `migrate` and `schema`: the hub itself."""

from __future__ import annotations

import asyncio
import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from connector.cli.configured import AsJson, Config, loaded_settings
from connector.cli.output import ExitCode, console, print_json, told
from connector.logging import configure_logging
from connector.memory import loading
from connector.processes import ALONE, become_one_of

PROCESSES_VARIABLE = "CONNECTOR_SERVER__PROCESSES"
ROLE_VARIABLE = "CONNECTOR_SERVER__ROLE"


class Role(StrEnum):
    """What processes do."""

    ALL = "all"
    API = "api"
    WORKER = "worker"


def serve(
    config: Config = None,
    processes: Annotated[
        int | None, typer.Option(help="How many processes serve behind the one address; as configured, or 1.")
    ] = None,
    role: Annotated[
        Role | None, typer.Option(help="What they do: answer (api), pull and fulfil (worker), or both (all).")
    ] = None,
) -> None:
    """Serve GraphQL, subscriptions and webhooks; pull the sources and fulfil, until Ctrl-C."""
    with loading():
        from connector.serve import listen, new_event_loop
        from connector.serve import serve as serve_hub

    if role is not None:
        os.environ[ROLE_VARIABLE] = role.value
    if processes is not None:
        os.environ[PROCESSES_VARIABLE] = str(processes)  # an option goes before what it finds there
    with told():
        loaded = loaded_settings(config)
        server = loaded.settings.server
        with listen(server.host, server.port) as listener:
            process = ALONE
            if server.processes > 1:
                process = become_one_of(server.processes)
                configure_logging(loaded.settings.log_level, secrets=loaded.secrets, process=process.number)
            with asyncio.Runner(loop_factory=new_event_loop) as runner:
                runner.run(serve_hub(loaded, listener, process))


def migrate(config: Config = None, as_json: AsJson = False) -> None:
    """Bring the database to the schema of this version. `serve` does so by itself."""
    from connector.fulfilment.durable import import_dbos
    from connector.fulfilment.workflow_tables import make_tables
    from connector.hub import owner_address
    from connector.storage.database.engine import database_url
    from connector.storage.migrations import migrate as migrate_database

    with told(as_json=as_json):
        loaded = loaded_settings(config, log_level="WARNING")
        address = owner_address(loaded.settings)
        migrate_database(address)
        if not address.startswith("sqlite"):
            asyncio.run(make_tables(import_dbos(), address))
    shown = database_url(address).render_as_string(hide_password=True)
    if as_json:
        print_json({"database": shown})
    else:
        console.print(f"{shown} is up to date.", highlight=False)


def schema(
    write: Annotated[Path | None, typer.Option(help="Write it to this file.")] = None,
    check: Annotated[Path | None, typer.Option(help="Compare it with this file; exit 4 when they differ.")] = None,
    subgraph: Annotated[bool, typer.Option("--subgraph", help="As a gateway of Apollo Federation wants it.")] = False,
    rights: Annotated[Path | None, typer.Option(help="Write to this file who may do what, instead.")] = None,
    config: Annotated[
        Path | None, typer.Option("--config", "-c", help="With --rights: and who reads what, by this configuration.")
    ] = None,
) -> None:
    """Print the GraphQL schema, write it to a file, or compare it with one."""
    from connector.api.schema import export, export_subgraph

    if rights is not None:
        from connector.api.matrix import matrix
        from connector.api.schema import build_schema

        with told():
            fields = None if config is None else loaded_settings(config, log_level="WARNING").settings.auth.fields
        rights.write_text(matrix(build_schema()._schema, fields), encoding="utf-8")
        console.print(f"Written to {rights}.", highlight=False)
        return
    text = export_subgraph() if subgraph else export()
    if write is not None:
        write.write_text(text, encoding="utf-8")
        console.print(f"Written to {write}.", highlight=False)
    elif check is not None:
        if not check.exists() or check.read_text(encoding="utf-8") != text:
            console.print(f"{check} is not the schema of this version; `connector schema --write {check}` mends it.")
            raise typer.Exit(ExitCode.UNHEALTHY)
        console.print(f"{check} is the schema of this version.", highlight=False)
    else:
        typer.echo(text, nl=False)
