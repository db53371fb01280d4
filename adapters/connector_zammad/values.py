"""Values of attributes as texts, and back. Pure.

What type an attribute has is told to administrators only (`object_manager_attributes`), so that the value which the
ticket has now is taken as the pattern; where there is none Zammad turns the text into what the attribute wants.
"""

from __future__ import annotations

from typing import Any

from connector.sdk import Invalid, SetTicketFields
from connector.sdk.cursors import read_instant

BOOLEANS = {"true": True, "false": False}


def value_of(op: SetTicketFields, name: str, now: Any) -> object:
    """The value that is sent for an attribute which has the value `now`. Raises Invalid."""
    text = op.fields[name]
    try:
        if isinstance(now, bool):
            return BOOLEANS[text.strip().casefold()]
        if isinstance(now, int):
            return int(text)
    except (KeyError, ValueError):
        kind = "true or false" if isinstance(now, bool) else "a whole number"
        raise Invalid(
            f"attribute {name!r} takes {kind}, {text[:80]!r} is none",
            operation="set fields", ref=op.ticket, fields={name: f"takes {kind}"},
        ) from None  # fmt: skip
    return [text] if isinstance(now, list) else text


def holds(now: Any, wanted: str) -> bool:
    """Whether an attribute has this value and no other."""
    if isinstance(now, list):
        return len(now) == 1 and holds(now[0], wanted)
    if isinstance(now, dict):  # from an external data source
        return wanted in (now.get("value"), now.get("label"))
    if now is None:
        return not wanted
    if isinstance(now, bool):
        return BOOLEANS.get(wanted.strip().casefold()) is now
    if isinstance(now, int | float):
        return _number(wanted) == now
    return bool(now == wanted) or _is_same_time(now, wanted)


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _is_same_time(now: Any, wanted: str) -> bool:
    try:
        return read_instant(now) == read_instant(wanted)
    except (TypeError, ValueError):
        return False
