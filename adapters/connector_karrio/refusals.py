"""Karrio's error bodies, as fields and reasons. Pure.

`{"errors": [{"code", "level", "message"}]}` from Karrio itself, `{"messages": [{... "carrier_id"}]}` from the
carrier that it passed the request on to; `message` begins with the field: "recipient.city: This field is required."
"""

from __future__ import annotations

import json
import re

from connector.sdk import Invalid, SourceRef

FIELD = re.compile(r"(?P<field>[a-z_][a-z0-9_.]*): (?P<reason>.+)", re.DOTALL)


def refused(error: Invalid, ref: SourceRef | None = None) -> Invalid:
    """The same refusal with its fields."""
    reasons = _reasons(error.detail)
    if not reasons:
        return error
    told = "; ".join(f"{field}: {reason}" for field, reason in reasons.items())
    return Invalid(
        f"Karrio refuses to {error.operation}: {told}",
        operation=error.operation,
        ref=ref or error.ref,
        fields=reasons,
        detail=error.detail,
    )


def _reasons(detail: str) -> dict[str, str]:
    try:
        body = json.loads(detail)
        told = [*body.get("errors", ()), *body.get("messages", ())]
        return dict(_reason(each.get("message"), each.get("carrier_id"), each.get("code")) for each in told)
    except (ValueError, AttributeError, TypeError):
        return {}


def _reason(message: object, carrier: object, code: object) -> tuple[str, str]:
    text = str(message or code or "no reason given")
    if carrier:
        return str(carrier), text
    found = FIELD.fullmatch(text)
    return (found["field"], found["reason"]) if found else (str(code or "request"), text)
