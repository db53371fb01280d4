"""Keys of programs that are made on the command line; of their tokens only a digest is kept."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import Index, text
from sqlmodel import Field

from connector.storage.tables.columns import Declared, Id, Json, UtcDateTime

_LIVING = text("revoked_at IS NULL")


class ApiKey(Declared, table=True):
    """A key. digest: SHA-256 of its token, hexadecimal. start: the first signs of the token, to tell keys apart by.

    regions: what it is limited to, null for everything. last_used_at: not exactly, see `note_use`.
    """

    __tablename__: ClassVar[str] = "api_key"
    __table_args__ = (Index("uq_api_key_name", "name", unique=True, sqlite_where=_LIVING, postgresql_where=_LIVING),)

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    name: str
    digest: str = Field(unique=True)
    start: str
    roles: list[str] = Field(sa_type=Json)
    regions: list[str] | None = Field(default=None, sa_type=Json)
    expires_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_by: str
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    last_used_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    revoked_by: str | None = None
