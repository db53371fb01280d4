"""What Zammad says when it refuses something: `{"error": ..., "error_human": ...}`. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable

from connector.sdk import AdapterError, Invalid, Transient
from connector.sdk.answers import refusal, said

MAINTENANCE = "Maintenance mode enabled"
"""Said with a 403 to everybody but administrators while Zammad is updated."""


def closed_for_maintenance(error: AdapterError) -> Transient | None:
    """The same failure as one that passes; None when it is another."""
    if MAINTENANCE not in error.detail:
        return None
    return Transient(
        f"{error.operation}: Zammad is in maintenance mode",
        operation=error.operation, ref=error.ref, detail=error.detail,
        hint="It goes on by itself when an administrator ends that mode.",
    )  # fmt: skip


def refused(error: Invalid, fields: Iterable[str]) -> Invalid:
    """The refusal with Zammad's words and the fields that it is about: those that it names, else all that were sent."""
    body = said(error)
    reason = str(body.get("error_human") or body.get("error") or "no reason given")[:500]
    sent = tuple(fields)
    quoted = set(re.findall(r"'([^']+)'", reason))
    named = [field for field in sent if field in quoted or f"{field}_id" in quoted] or sent
    return refusal(error, "Zammad", dict.fromkeys(named, reason))
