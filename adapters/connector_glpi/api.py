"""What the adapter needs of GLPI, whichever of its interfaces answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from connector.sdk import SourceRef
from connector.sdk.rest import ListedRow, ListWalk
from connector_glpi.rows import Item, Link, Member

SYSTEM = "GLPI"


class Api(Protocol):
    """One interface. kind: of items, as v1 calls it. Rows are those that `connector_glpi.rows` read."""

    def walk(self, kind: str, operation: str, *, deleted: bool = False) -> ListWalk:
        """A list: of what there is, or of what lies in the bin."""

    async def one(self, kind: str, number: int, ref: SourceRef | None, operation: str) -> ListedRow:
        """One item, also when it lies in the bin. Raises NotFound, also when it is hidden."""

    async def members(self, ticket: ListedRow, operation: str) -> Sequence[Member]:
        """Who has to do with a ticket."""

    async def items(self, ticket: ListedRow, operation: str) -> Sequence[Item]:
        """What a ticket is about."""

    async def links(self, ticket: ListedRow, operation: str) -> Sequence[Link]:
        """The tickets that a ticket is linked to."""

    async def with_serial(self, kind: str, serial: str, operation: str) -> Sequence[ListedRow]:
        """Devices that show a serial."""

    async def rows(self, kind: str, operation: str) -> Sequence[ListedRow] | None:
        """A whole list that few GLPI fill; None where it is not told."""

    async def assigned(self, ticket: ListedRow, operation: str) -> Sequence[tuple[str, int]]:
        """Users and groups that a ticket is assigned to, by type and id."""

    async def actor(self, kind: str, name: str, operation: str) -> int | None:
        """A user by login, or a group by name; None where nobody is called so, or names are not looked up."""

    async def assign(self, ticket: SourceRef, kind: str, number: int, operation: str) -> None:
        """Assign a user or group, beside those that are. Raises Invalid, OutcomeUnknown."""

    async def link(self, ticket: SourceRef, kind: int, other: int, operation: str) -> None:
        """Link a ticket to another one. kind: as v1 numbers it. Raises Invalid, OutcomeUnknown."""

    async def followups(self, ticket: SourceRef, operation: str) -> Sequence[ListedRow]:
        """A ticket's followups with id and content. Raises NotFound."""

    async def add_followup(self, ticket: SourceRef, content: str, operation: str, *, is_private: bool) -> int:
        """Its id. Raises Invalid, NotFound, OutcomeUnknown."""

    async def change(
        self, kind: str, number: int, values: Mapping[str, object], ref: SourceRef, operation: str
    ) -> None:
        """Set columns, as v1 calls them. Raises Invalid, NotFound, OutcomeUnknown."""
