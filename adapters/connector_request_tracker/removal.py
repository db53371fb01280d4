"""Tickets that can no longer be found, from the transactions that tell so. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from connector.sdk import InvalidRecord, Tombstone
from connector_request_tracker.mapping import ticket_ref


class _Removal(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)

    id: int
    ticket: int = Field(alias="ObjectId", gt=0)
    created: AwareDatetime = Field(alias="Created")


def removed_ticket(item: Any) -> tuple[int, Tombstone]:
    """Number and tombstone of the ticket that a transaction is about. Raises InvalidRecord."""
    try:
        removal = _Removal.model_validate(item)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        path = "/" + "/".join(str(step) for step in first["loc"])
        raise InvalidRecord(
            f"the transaction cannot be read at {path}: {first['msg']}",
            path=path,
            hint="Compare it with the API version in the adapter's README.",
        ) from None
    return removal.ticket, Tombstone(ref=ticket_ref(removal.ticket), updated_at=removal.created)
