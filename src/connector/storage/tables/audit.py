"""What makes the change log one that can be checked."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import LargeBinary, UniqueConstraint
from sqlmodel import Field

from connector.storage.tables.columns import Declared, Id, UtcDateTime


class AuditSeal(Declared, table=True):
    """A link of the chain over the change log: from which position to which, and the digest of each change there.

    salts: 16 bytes of chance for each position, without which nobody tries out what a digest may be of. digests: 32
    bytes for each position, zeros where nothing stood. previous: the digest of the link before. digest: of this one
    (see `connector.storage.audit.digests`), hexadecimal.
    """

    __tablename__: ClassVar[str] = "audit_seal"
    __table_args__ = (UniqueConstraint("first", name="uq_audit_seal_first"),)

    number: int = Field(primary_key=True, sa_type=Id)
    first: int = Field(sa_type=Id)
    last: int = Field(sa_type=Id)
    salts: bytes = Field(sa_type=LargeBinary)
    digests: bytes = Field(sa_type=LargeBinary)
    previous: str
    digest: str
    sealed_at: datetime = Field(sa_type=UtcDateTime)
