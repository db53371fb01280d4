"""What Jira says when it refuses a request: `{"errorMessages": [...], "errors": {field: reason}}`. Pure."""

from __future__ import annotations

from collections.abc import Mapping

from connector.sdk import AdapterError, Invalid, SourceRef
from connector.sdk.answers import refusal, said


def named(error: Invalid, names: Mapping[str, str] | None = None) -> Invalid:
    """The same refusal with the fields that Jira names. names: identifier of a field -> what the hub calls it."""
    return refusal(error, "Jira", reasons(error, names or {}))


def refused(operation: str, ticket: SourceRef, fields: Mapping[str, str], hint: str) -> Invalid:
    """A refusal that is known before Jira is asked."""
    told = "; ".join(f"{field!r}: {reason}" for field, reason in fields.items())
    return Invalid(
        f"Jira cannot {operation} of ticket {ticket.external_id}: {told}",
        fields=fields,
        operation=operation,
        ref=ticket,
        hint=hint,
    )


def reasons(error: AdapterError, names: Mapping[str, str]) -> dict[str, str]:
    """Field -> reason; where Jira names no field, `request` stands for all of it."""
    body = said(error)
    errors = body.get("errors")
    fields = {str(key): str(reason) for key, reason in errors.items()} if isinstance(errors, dict) else {}
    found = {names.get(key, key): reason for key, reason in fields.items()}
    messages = body.get("errorMessages")
    if not found and isinstance(messages, list) and messages:
        found["request"] = " ".join(map(str, messages))
    return found
