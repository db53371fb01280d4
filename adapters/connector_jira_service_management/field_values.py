"""A text as the value of a field, by the type that Jira says the field has. Pure."""

from __future__ import annotations

from typing import Any

from pydantic import ConfigDict, Field

from connector_jira_service_management.adf import document, is_document, plain_text
from connector_jira_service_management.mapping import Theirs

TEXT_AREA = ":textarea"
"""End of the type of custom fields that hold a document."""
DOCUMENTS = frozenset({"description", "environment"})
NAMED = frozenset({"priority", "resolution", "version", "component", "group", "securitylevel"})
CHOICES = frozenset({"option", "option-with-child"})
TEXTS = frozenset({"string", "date", "datetime"})


class NotWritable(ValueError):  # noqa: N818 - says what is so
    """The text is no value of the field. The message says why."""


class _Schema(Theirs):
    type: str
    items: str | None = None
    system: str | None = None
    custom: str | None = None


class EditableField(Theirs):
    """A field of an issue that can be edited, as Jira describes it."""

    model_config = ConfigDict(extra="ignore", frozen=True)

    name: str
    shape: _Schema = Field(alias="schema")

    @property
    def is_user(self) -> bool:
        """Whether its value is an account."""
        return self.shape.type == "user"


def value_of(field: EditableField, text: str) -> Any:
    """The value that a text stands for; an empty one clears the field. Raises NotWritable."""
    shape, text = field.shape, text if _is_long(field) else text.strip()
    if shape.type == "array":
        return [_single(shape.items or "string", text)] if text.strip() else []
    if not text.strip():
        return None
    if _is_long(field):
        return document(text)
    return _single(shape.type, text)


def holds(wanted: Any, there: Any) -> bool:
    """Whether a field has this value; what Jira says beyond it does not matter."""
    if is_document(wanted):
        return plain_text(wanted) == plain_text(there)
    if isinstance(wanted, dict):
        return isinstance(there, dict) and all(there.get(name) == value for name, value in wanted.items())
    if isinstance(wanted, list):
        values = there if isinstance(there, list) else []
        return len(wanted) == len(values) and all(map(holds, wanted, values))
    if wanted is None:
        return there is None or there in ("", [])
    return bool(wanted == there)


def _is_long(field: EditableField) -> bool:
    return (field.shape.custom or "").endswith(TEXT_AREA) or field.shape.system in DOCUMENTS


def _single(kind: str, text: str) -> Any:
    if kind in TEXTS:
        return text
    if kind == "number":
        try:
            return float(text)
        except ValueError:
            raise NotWritable(f"{text!r} is no number") from None
    if kind in CHOICES:
        return {"value": text}
    if kind in NAMED:
        return {"name": text}
    if kind == "user":
        return {"accountId": text}
    raise NotWritable(f"a field of the type {kind!r} cannot be written")
