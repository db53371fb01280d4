from __future__ import annotations

from typing import Any

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import CheckConstraint, Engine, Index, String, TextClause, create_engine, inspect
from sqlmodel import AutoString

from connector.storage.database.engine import database_url
from connector.storage.migrations import migrate
from connector.storage.tables import metadata
from connector.storage.tables.columns import EnumText


def differ(_context: object, _inspected: object, _declared: object, there: Any, wanted: Any) -> bool | None:
    """Whether two column types differ; all texts without a length are one type on both databases."""
    texts = isinstance(there, String) and isinstance(wanted, AutoString | EnumText)
    return False if texts and there.length is None else None


@pytest.fixture
def migrated(database: str) -> Any:
    url = database_url(database)
    engine = create_engine(url.set(drivername="sqlite") if url.get_backend_name() == "sqlite" else url)
    yield engine
    engine.dispose()


def skips(engine: Engine, index: Index) -> bool:
    """Whether SQLAlchemy cannot read the index back: SQLite keeps the expressions of one as a text alone."""
    return engine.dialect.name == "sqlite" and any(isinstance(part, TextClause) for part in index.expressions)


NOT_READ_ON_SQLITE = "ignore:.*expression-based index"


@pytest.mark.filterwarnings(NOT_READ_ON_SQLITE)
def test_the_migrated_schema_is_the_one_that_the_tables_declare(migrated: Engine):
    with migrated.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": differ, "target_metadata": metadata, "render_as_batch": True}
        )
        assert compare_metadata(context, metadata) == []


@pytest.mark.filterwarnings(NOT_READ_ON_SQLITE)
def test_no_constraint_of_the_tables_is_missing(migrated: Engine):
    found = inspect(migrated)
    for table in metadata.sorted_tables:
        checks = {check["name"] for check in found.get_check_constraints(table.name)}
        declared = {str(c.name) for c in table.constraints if isinstance(c, CheckConstraint)}
        assert declared <= checks, table.name
        foreign = {tuple(key["constrained_columns"]) for key in found.get_foreign_keys(table.name)}
        assert foreign == {(column.name,) for column in table.columns if column.foreign_keys}, table.name
        present = {row["name"] for row in found.get_indexes(table.name) if not row.get("duplicates_constraint")}
        assert {index.name for index in table.indexes if not skips(migrated, index)} == present, table.name


def test_a_second_migration_changes_nothing(database: str, migrated: Engine):
    before = {name: inspect(migrated).get_columns(name) for name in inspect(migrated).get_table_names()}

    migrate(database)

    after = {name: inspect(migrated).get_columns(name) for name in inspect(migrated).get_table_names()}
    assert str(after) == str(before)
    assert set(after) == {*metadata.tables, "alembic_version"}
