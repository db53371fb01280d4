"""Values of tickets' fields, as desks keep them, in the hub's terms and back. Pure."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Any

from connector.model.errors import InvalidRecord
from connector.model.records import ProductKey

MOST_UNITS = 10_000
"""Units that a ticket may ask for."""


def units_wanted(told: str | None, *, ticket: str, field: str | None, path: str, hint: str = "") -> int | None:
    """How many units a ticket asks for; None where nobody said so.

    told: what the field says. ticket, field, path: what is wrong where, for people. hint: how to correct it, beside in
    the ticket. Raises InvalidRecord for anything but a number from 1 to MOST_UNITS.
    """
    if told is None:
        return None
    if not (told.isascii() and told.isdigit() and len(told) <= 5 and 0 < int(told) <= MOST_UNITS):
        raise InvalidRecord(
            f"{ticket} has {told[:80]!r} in {field!r}, which is no number from 1 to {MOST_UNITS}",
            path=path,
            hint=f"Correct it in the ticket, then replay the record{hint and f'; or {hint}'}.",
        )
    return int(told)


def product_named(maker: str | None, model: str | None, part_number: str | None) -> ProductKey | None:
    """The product, where both maker and model are named; either alone says nothing certain."""
    if maker is None or model is None:
        return None
    return ProductKey(manufacturer=maker, model=model, part_number=part_number)


def as_text(value: Any) -> str | None:
    """What a person would read in a field; of several choices the first. A checkbox says nothing by itself."""
    if isinstance(value, list):
        return next((text for each in value if (text := as_text(each))), None)
    if isinstance(value, bool):
        return None
    return str(value).strip() or None if isinstance(value, str | int | float) else None


def holds(now: Any, wanted: object) -> bool:
    """Whether a field has what is wanted and nothing else; an empty field and an unticked one are alike."""
    if isinstance(wanted, list):
        return isinstance(now, list) and sorted(map(str, now)) == sorted(map(str, wanted))
    if wanted is None or wanted is False:
        return now is None or now is False or now in ("", [])
    if isinstance(wanted, bool) or isinstance(now, bool):
        return now is wanted
    return now == wanted or str(now) == str(wanted) or _is_same_number(now, wanted)


def _is_same_number(now: Any, wanted: object) -> bool:
    try:
        return Decimal(str(now)) == Decimal(str(wanted))
    except InvalidOperation:
        return False
