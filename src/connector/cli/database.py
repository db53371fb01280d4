"""`connector database`: what the server of the database is to be told by whoever runs it."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.configured import AsJson, Config, loaded_settings
from connector.cli.output import print_json, told
from connector.model.errors import InvalidInput

database = typer.Typer(help="The database's roles.", no_args_is_help=True)


@database.callback()
def _group() -> None:
    """So that it stays a group with one command."""


@database.command()
def grants(
    role: Annotated[str, typer.Option(help="The role that the hub serves with; it is there already.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Print the SQL by which a role may read and write, and change no table: for the owner to run, after `migrate`."""
    from connector.fulfilment.workflow_tables import SCHEMA
    from connector.hub import owner_address
    from connector.storage.access.grants import statements

    with told(as_json=as_json):
        address = owner_address(loaded_settings(config, log_level="WARNING").settings)
        if address.startswith("sqlite"):
            raise InvalidInput("a SQLite file has no roles", hint="Set database to a PostgreSQL one.")
        listed = statements(address, role, schemas=("public", SCHEMA))
    if as_json:
        print_json({"statements": listed})
        return
    for statement in listed:
        typer.echo(f"{statement};")
