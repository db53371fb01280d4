"""What Zendesk says when it refuses something: `{"error": ..., "details": {FIELD: [...]}}`. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from connector.sdk import AdapterError, Conflict, Invalid
from connector.sdk.answers import refusal, said

CLOSED = "closed prevents ticket update"
BASE = "base"
"""Where Zendesk says what it puts to no single field."""


def refused(error: Invalid, sent: Mapping[str, str]) -> AdapterError:
    """The refusal with the fields that it is about. sent: field of Zendesk's, or id of a custom one -> our name."""
    body = said(error)
    details = body.get("details")
    told = details if isinstance(details, dict) else {}
    if CLOSED in error.detail:
        return closed(error.operation, error)
    fields: dict[str, str] = {}
    for field, reasons in told.items():
        for reason in reasons if isinstance(reasons, list) else [reasons]:
            about = reason if isinstance(reason, dict) else {"description": reason}
            key = str(about.get("ticket_field_id") or about.get("field_key") or field)
            text = str(about.get("description") or "refused")[:500]
            names = [sent[key]] if key in sent else list(sent.values()) if key == BASE else [key]
            fields |= dict.fromkeys(names, text)
    if not fields:
        reason = body.get("description") or body.get("message") or body.get("error") or "no reason given"
        fields = dict.fromkeys(sent.values(), str(reason)[:500])
    return refusal(error, "Zendesk", fields)


def closed(operation: str, error: AdapterError) -> Conflict:
    """A closed ticket is not changed any more, not even by a comment."""
    return Conflict(
        f"{operation}: the ticket is closed, Zendesk takes no more changes of it",
        operation=operation, ref=error.ref, detail=error.detail,
        hint="Open a follow-up of the ticket in Zendesk.",
    )  # fmt: skip
