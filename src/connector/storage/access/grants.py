"""What a database role needs to serve with: the rights to rows, and none to what tables are there."""

from __future__ import annotations

from collections.abc import Sequence

from sqlalchemy import make_url


def statements(database: str, role: str, *, schemas: Sequence[str]) -> list[str]:
    """SQL for the owner of the schemas. What the owner makes later, in a migration, the role may use as well.

    The revision of the schema is read and not written: only whoever migrates moves it.
    """
    who, name = _quoted(role), _quoted(make_url(database).database or "")
    told = [f"GRANT CONNECT ON DATABASE {name} TO {who}"]
    for schema in map(_quoted, schemas):
        told += [
            f"GRANT USAGE ON SCHEMA {schema} TO {who}",
            f"GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA {schema} TO {who}",
            f"GRANT USAGE, SELECT, UPDATE ON ALL SEQUENCES IN SCHEMA {schema} TO {who}",
            f"GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA {schema} TO {who}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO {who}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT USAGE, SELECT, UPDATE ON SEQUENCES TO {who}",
            f"ALTER DEFAULT PRIVILEGES IN SCHEMA {schema} GRANT EXECUTE ON FUNCTIONS TO {who}",
        ]
    return [*told, f"REVOKE INSERT, UPDATE, DELETE ON {_quoted(schemas[0])}.alembic_version FROM {who}"]


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'
