"""What Jira says when it refuses a request: `{"errorMessages": [...], "errors": {field: reason}}`. Pure."""

from __future__ import annotations

import json
from collections.abc import Mapping

from connector.sdk import Invalid, SourceRef


def named(error: Invalid, names: Mapping[str, str] | None = None) -> Invalid:
    """The same refusal with the fields that Jira names. names: identifier of a field -> what the hub calls it."""
    fields = reasons(error.detail, names or {})
    if not fields:
        return error
    said = "; ".join(f"{field!r}: {reason}" for field, reason in fields.items())
    return Invalid(
        f"Jira refuses to {error.operation}: {said}",
        fields=fields,
        operation=error.operation,
        ref=error.ref,
        hint=error.hint,
        detail=error.detail,
    )


def refused(operation: str, ticket: SourceRef, fields: Mapping[str, str], hint: str) -> Invalid:
    """A refusal that is known before Jira is asked."""
    said = "; ".join(f"{field!r}: {reason}" for field, reason in fields.items())
    return Invalid(
        f"Jira cannot {operation} of ticket {ticket.external_id}: {said}",
        fields=fields,
        operation=operation,
        ref=ticket,
        hint=hint,
    )


def reasons(detail: str, names: Mapping[str, str]) -> dict[str, str]:
    """Field -> reason; where Jira names no field, `request` stands for all of it."""
    try:
        body = json.loads(detail)
    except (ValueError, RecursionError):
        return {}
    if not isinstance(body, dict):
        return {}
    errors = body.get("errors")
    fields = {str(key): str(reason) for key, reason in errors.items()} if isinstance(errors, dict) else {}
    found = {names.get(key, key): reason for key, reason in fields.items()}
    messages = body.get("errorMessages")
    if not found and isinstance(messages, list) and messages:
        found["request"] = " ".join(map(str, messages))
    return found
