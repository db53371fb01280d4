"""What is configured of PostgreSQL beyond its address: how many connections, past which pooler, and whose schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, field_validator
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError


class PostgresqlSettings(BaseModel):
    """Connections of each process, and what they are for."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    pool_size: int = Field(
        default=10, ge=2, le=1_000, description="Connections of a process for transactions.", examples=[20]
    )
    direct_connections: int = Field(
        default=10, ge=1, le=1_000, description="Connections of a process for queries.", examples=[20]
    )
    workflow_pool_size: int = Field(
        default=5, ge=2, le=1_000, description="Connections of a process for workflows.", examples=[10]
    )
    direct: str | None = Field(
        default=None,
        description="Address of the server itself, where `database` is that of a pooler in transaction mode.",
        examples=["postgresql://connector:secret@db.example.com/connector"],
    )
    owner: str | None = Field(
        default=None,
        description="Address with the role that owns the schema, for migrations alone.",
        examples=["postgresql://connector_owner:secret@db.example.com/connector"],
    )

    @field_validator("direct", "owner")
    @classmethod
    def _is_postgresql(cls, value: str | None) -> str | None:
        try:
            backend = None if value is None else make_url(value).get_backend_name()
        except ArgumentError as error:
            raise ValueError("this is no database address") from error
        if backend not in (None, "postgresql"):
            raise ValueError(f"this is the address of a {backend} database, not of a PostgreSQL one")
        return value


def postgresql_problems(given: Mapping[str, Any], database: str, role: str) -> list[str]:
    """What does not go together with SQLite, which has one process and no roles."""
    if not database.startswith("sqlite"):
        return []
    problems = [
        f"postgresql.{key}: database is a SQLite file, which has neither poolers nor roles; set database to a "
        "PostgreSQL one, or leave this out"
        for key in ("direct", "owner")
        if given.get(key)
    ]
    if role != "all":
        problems.append(
            f"server.role: {role!r} needs others beside it, which cannot share a SQLite database; set it to 'all', or "
            "database to a PostgreSQL one, such as 'postgresql://user:password@host/name'"
        )
    return problems
