"""Files such as labels."""

from __future__ import annotations

from dataclasses import dataclass

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import NotKnown
from connector.storage.query import ENTITIES, Sight


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """A file. sha256: hex digest of the content."""

    name: str
    media_type: str
    sha256: str
    content: bytes


async def read_document(tx: AsyncConnection, document_id: int, sight: Sight) -> StoredDocument:
    """The file of that id. Raises NotKnown, also for one that is out of sight, or whose content is."""
    c = sight.rows(ENTITIES["document"]).c
    statement = select(c.name, c.media_type, c.sha256, c.content).where(c.id == document_id)
    row = (await tx.execute(statement)).one_or_none()
    if row is None or row.content is None:
        raise NotKnown(f"there is no document {document_id}")
    return StoredDocument(*row)
