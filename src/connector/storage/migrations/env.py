"""Alembic's entry: runs the scripts in one transaction, on a connection of the configured database."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import JSON, BigInteger, create_engine, pool
from sqlmodel import AutoString

from connector.storage.tables import metadata
from connector.storage.tables.columns import EnumText, UtcDateTime


def _render(kind: str, item: Any, autogen: Any) -> str | Literal[False]:
    """How our column types are written in a migration, so that it reads like the tables."""
    if kind != "type":
        return False
    if isinstance(item, UtcDateTime | JSON | BigInteger):
        name = {UtcDateTime: "UtcDateTime", JSON: "Json", BigInteger: "Id"}[type(item)]
        autogen.imports.add(f"from connector.storage.tables.columns import {name}")
        return "UtcDateTime()" if name == "UtcDateTime" else name
    return "sa.Text()" if isinstance(item, EnumText | AutoString) else False


def _run() -> None:
    engine = create_engine(context.config.attributes["url"], poolclass=pool.NullPool)
    with engine.connect() as connection:
        if connection.dialect.name == "sqlite":
            connection.exec_driver_sql("PRAGMA journal_mode = WAL")
            connection.rollback()
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_as_batch=connection.dialect.name == "sqlite",
            render_item=_render,
            compare_type=True,
            transaction_per_migration=False,
        )
        with context.begin_transaction():
            context.run_migrations()
    engine.dispose()


_run()
