"""What PagerDuty says when it refuses something. Pure."""

from __future__ import annotations

import re

from connector.sdk import AdapterError, Invalid
from connector.sdk.answers import said

ALREADY_RESOLVED, ALREADY_ACKNOWLEDGED = 1001, 1002
LOST_ACCESS = 2018
"""Incidents that are resolved may be hidden from whoever was only responsible while they were open."""
FIELDS = {ALREADY_RESOLVED: "status", ALREADY_ACKNOWLEDGED: "status", 1003: "status", 1008: "From", 1019: "status"}
"""What an error code is about, in PagerDuty's list of them."""


def error_code(error: AdapterError) -> int | None:
    """PagerDuty's own code; None where the answer has none."""
    told = said(error).get("error")
    if isinstance(told, dict):
        code = told.get("code")
        return code if isinstance(code, int) else None
    found = re.search(r'"code"\s*:\s*(\d+)', error.detail)  # the answer was too long to be kept whole
    return int(found[1]) if found else None


def refused(error: Invalid, field: str) -> Invalid:
    """The refusal with PagerDuty's words, and the field that it is about. field: where the code does not say."""
    told = said(error).get("error")
    if not isinstance(told, dict):
        return error
    errors = told.get("errors")
    words = [str(told.get("message") or ""), *(str(each) for each in (errors if isinstance(errors, list) else ()))]
    reason = ": ".join(word for word in words[:4] if word) or "no reason given"
    about = "From" if "requester" in reason.casefold() else FIELDS.get(error_code(error) or 0, field)
    return Invalid(
        f"{error.operation}: PagerDuty refuses: {reason[:500]}",
        fields={about: reason[:500]} if about else {},
        operation=error.operation,
        ref=error.ref,
        detail=error.detail,
        hint="Set from_email to the address of a user of the account." if about == "From" else "",
    )
