"""Brings a database to the schema of this version."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Final

from sqlalchemy import create_engine, pool, text
from sqlalchemy.exc import SQLAlchemyError

from connector.storage.database.engine import database_url
from connector.storage.database.outages import outages

if TYPE_CHECKING:
    from alembic.config import Config

HERE = Path(__file__).parent

HEAD: Final = "0001"
"""The newest revision. Stated here so that a start needs alembic only when there is something to migrate."""


def alembic_config(database: str) -> Config:
    """Settings for alembic: where the scripts are, which database."""
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["url"] = database_url(database).set(drivername=_sync_driver(database))
    return config


def migrate(database: str) -> None:
    """Bring the database to the newest schema; one that is there already is left alone.

    Synchronous: it runs before anything else does. Raises DatabaseAway when the database cannot be had.
    """
    url = database_url(database)
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    if _revision(database) == HEAD:
        return
    from alembic import command

    with outages():
        command.upgrade(alembic_config(database), "head")


def _revision(database: str) -> str | None:
    """The database's revision; None when it has none. Raises DatabaseAway."""
    engine = create_engine(database_url(database).set(drivername=_sync_driver(database)), poolclass=pool.NullPool)
    try:
        with outages(), engine.connect() as connection:
            revision: str | None = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
            return revision
    except SQLAlchemyError:
        return None
    finally:
        engine.dispose()


def _sync_driver(database: str) -> str:
    return "sqlite" if database_url(database).get_backend_name() == "sqlite" else "postgresql+psycopg"
