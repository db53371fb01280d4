"""Tickets that can no longer be found, from the transactions that tell so. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, Field, ValidationError

from connector.sdk import Tombstone
from connector.sdk.answers import Theirs, unreadable
from connector_request_tracker.mapping import ticket_ref


class _Removal(Theirs):
    id: int
    ticket: int = Field(alias="ObjectId", gt=0)
    created: AwareDatetime = Field(alias="Created")


def removed_ticket(item: Any) -> tuple[int, Tombstone]:
    """Number and tombstone of the ticket that a transaction is about. Raises InvalidRecord."""
    try:
        removal = _Removal.model_validate(item)
    except ValidationError as error:
        raise unreadable(error, "transaction") from None
    return removal.ticket, Tombstone(ref=ticket_ref(removal.ticket), updated_at=removal.created)
