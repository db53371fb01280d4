"""Values of custom fields as Zendesk keeps them by type, and texts. Pure."""

from __future__ import annotations

from datetime import date
from decimal import Decimal, InvalidOperation
from typing import Any

from connector.sdk import Invalid, SetTicketFields
from connector_zendesk.names import TicketField

BOOLEANS = {"true": True, "false": False}
CHOSEN = ("tagger", "multiselect")


def value_of(op: SetTicketFields, name: str, field: TicketField) -> object:
    """The value that is sent for a custom field; an empty text empties it. Raises Invalid."""
    text = op.fields[name].strip() if field.type not in ("text", "textarea") else op.fields[name]
    if not text:
        return False if field.type == "checkbox" else None
    try:
        return _typed(field, text)
    except (ValueError, KeyError, InvalidOperation):
        kind = _wanted(field)
        raise Invalid(
            f"field {name!r} takes {kind}, {text[:80]!r} is none",
            operation="set fields", ref=op.ticket, fields={name: f"takes {kind}"},
        ) from None  # fmt: skip


def label_of(field: TicketField, value: Any) -> Any:
    """The name of what was chosen, in place of its tag."""
    if isinstance(value, list):
        return [label_of(field, each) for each in value]
    options = field.custom_field_options or ()
    return next((option.name for option in options if option.value == value and option.name), value)


def _typed(field: TicketField, text: str) -> object:
    if field.type == "checkbox":
        return BOOLEANS[text.casefold()]
    if field.type == "integer":
        return int(text)
    if field.type == "decimal":
        return str(Decimal(text))
    if field.type == "date":
        return date.fromisoformat(text[:10]).isoformat()
    if field.type in CHOSEN:
        value = _option(field, text)
        return [value] if field.type == "multiselect" else value
    return text


def _option(field: TicketField, text: str) -> str:
    options = field.custom_field_options or ()
    for option in options:
        if text in (option.value, option.name):
            return option.value
    raise ValueError(text)


def _wanted(field: TicketField) -> str:
    if field.type in CHOSEN:
        shown = [option.name or option.value for option in field.custom_field_options or ()][:10]
        return f"one of {', '.join(shown)}"
    kinds = {"checkbox": "true or false", "integer": "a whole number", "decimal": "a number", "date": "a date"}
    return kinds.get(field.type, field.type)
