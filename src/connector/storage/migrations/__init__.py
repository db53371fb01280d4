"""Brings a database to the schema of this version."""

from __future__ import annotations

from pathlib import Path

from alembic import command
from alembic.config import Config

from connector.storage.engine import database_url

HERE = Path(__file__).parent


def alembic_config(database: str) -> Config:
    """Settings for alembic: where the scripts are, which database."""
    config = Config()
    config.set_main_option("script_location", str(HERE))
    config.attributes["url"] = database_url(database).set(drivername=_sync_driver(database))
    return config


def migrate(database: str) -> None:
    """Bring the database to the newest schema; a database that is there already is left alone.

    Synchronous: it runs before anything else does.
    """
    url = database_url(database)
    if url.get_backend_name() == "sqlite" and url.database:
        Path(url.database).parent.mkdir(parents=True, exist_ok=True)
    command.upgrade(alembic_config(database), "head")


def _sync_driver(database: str) -> str:
    return "sqlite" if database_url(database).get_backend_name() == "sqlite" else "postgresql+psycopg"
