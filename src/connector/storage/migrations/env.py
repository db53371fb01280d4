"""Alembic's entry: runs the scripts in one transaction, on a connection of the configured database."""

from typing import Any, Literal

from alembic import context
from sqlalchemy import JSON, BigInteger, create_engine, event, pool
from sqlmodel import AutoString

from connector.storage.tables import metadata
from connector.storage.tables.columns import EnumText, UtcDateTime

MIGRATION_LOCK = 0x4D494752
"""Key of the advisory lock that makes processes that start together migrate one after the other."""


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
    is_sqlite = engine.dialect.name == "sqlite"
    if is_sqlite:
        event.listen(engine, "connect", _let_us_begin)
        event.listen(engine, "begin", lambda connection: connection.exec_driver_sql("BEGIN IMMEDIATE"))
    with engine.connect() as connection:
        context.configure(
            connection=connection,
            target_metadata=metadata,
            render_item=_render,
            render_as_batch=is_sqlite,
            compare_type=True,
            transactional_ddl=True,
        )
        with context.begin_transaction():
            if not is_sqlite:
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({MIGRATION_LOCK})")
            context.run_migrations()
    engine.dispose()


def _let_us_begin(dbapi_connection: Any, _record: object) -> None:
    """WAL for good; and the driver does not commit before DDL, so that a migration is whole or not at all."""
    dbapi_connection.isolation_level = None
    dbapi_connection.execute("PRAGMA busy_timeout = 60000")
    dbapi_connection.execute("PRAGMA journal_mode = WAL")


_run()
