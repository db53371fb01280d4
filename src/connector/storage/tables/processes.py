"""The processes of the hub that share the database."""

from datetime import datetime
from typing import ClassVar

from sqlmodel import Field

from connector.storage.tables.columns import Declared, Id, UtcDateTime


class HubProcess(Declared, table=True):
    """A process of the hub, from its start until it has ended, or until another one has seen that it is gone.

    name: among those that share the database, the same after a restart. incarnation: of this start alone; what it works
    on is marked with it. That it is there is told by a lock (see `connector.storage.database.presence`), never by this
    row.
    """

    __tablename__: ClassVar[str] = "process"

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    name: str
    incarnation: str = Field(unique=True)
    version: str
    began_at: datetime = Field(sa_type=UtcDateTime)
