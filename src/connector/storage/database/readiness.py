"""Whether the database can be used: reachable, and at the schema of this version."""

from __future__ import annotations

from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError

from connector.model.errors import Unavailable
from connector.storage.database.engine import Database, reading
from connector.storage.migrations import HEAD


async def check_ready(engine: Database) -> str:
    """The schema that the database is at. Raises Unavailable saying what is amiss."""
    try:
        async with reading(engine) as tx:
            found = (await tx.execute(text("SELECT version_num FROM alembic_version"))).scalar_one_or_none()
    except (SQLAlchemyError, OSError) as error:
        raise Unavailable(
            f"the database cannot be used: {type(error).__name__}",
            hint="Check that it runs, and that `connector migrate` has been run.",
        ) from error
    if found != HEAD:
        raise Unavailable(
            f"the database is at schema {found!r}, this version of the hub needs {HEAD!r}",
            hint="Run `connector migrate`.",
        )
    return HEAD
