"""The change log, its readers, and the receipts that make effects happen once."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import Index, text
from sqlmodel import Field

from connector.model.refs import EntityKind
from connector.storage.tables.columns import Declared, EnumText, Id, Json, UtcDateTime

_UNPUBLISHED = text("position IS NULL")


class Change(Declared, table=True):
    """One change of one thing, written in the transaction that made it.

    position: the order in which readers follow; given when the change is published, NULL until then (see
    `connector.storage.database.changes`). operation: created, updated, deleted. fields: name -> [before, after], all of
    them for a creation. actor: who or what did it. cause: the source, rule or request behind it.
    """

    __tablename__: ClassVar[str] = "change"
    __table_args__ = (
        Index("ix_change_unpublished", "id", sqlite_where=_UNPUBLISHED, postgresql_where=_UNPUBLISHED),
        Index("ix_change_entity", "kind", "entity_id", "id"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    position: int | None = Field(default=None, unique=True, sa_type=Id)
    kind: EntityKind = Field(sa_type=EnumText(EntityKind))
    entity_id: int = Field(sa_type=Id)
    operation: str
    fields: dict[str, Any] = Field(sa_type=Json)
    actor: str
    cause: str | None = None
    at: datetime = Field(sa_type=UtcDateTime)


class Reader(Declared, table=True):
    """How far a durable reader of the change log has come."""

    __tablename__: ClassVar[str] = "reader"

    name: str = Field(primary_key=True)
    position: int = Field(default=0, sa_type=Id)


class StepReceipt(Declared, table=True):
    """The recorded result of a workflow step or a keyed mutation: asked again, it is answered from here."""

    __tablename__: ClassVar[str] = "step_receipt"

    key: str = Field(primary_key=True)
    result: dict[str, Any] = Field(sa_type=Json)
    recorded_at: datetime = Field(sa_type=UtcDateTime)
