"""The text of a field's value, whatever its type. Pure.

A text field has a text, a list one option or many, a number a number, a text area a document, a request type an object.
"""

from __future__ import annotations

from typing import Any

from connector_jira_service_management.adf import is_document, plain_text

NAMES = ("value", "name", "displayName")
"""How objects call what people see of them."""


def text_of(value: Any) -> str | None:
    """What a person would read there; of several values the first, of an option with a second one below, the upper."""
    if isinstance(value, str):
        return value.strip() or None
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer():
        return str(int(value))  # Jira writes 2 units as 2.0
    if isinstance(value, int | float):
        return str(value)
    if is_document(value):
        return plain_text(value).strip() or None
    if isinstance(value, list):
        return next(filter(None, map(_single, value)), None)
    return _single(value)


def _single(value: Any) -> str | None:
    if isinstance(value, str):
        return value.strip() or None
    if not isinstance(value, dict):
        return None
    request_type = value.get("requestType")
    named = request_type if isinstance(request_type, dict) else value
    texts = (named.get(name) for name in NAMES)
    return next((text.strip() for text in texts if isinstance(text, str) and text.strip()), None)
