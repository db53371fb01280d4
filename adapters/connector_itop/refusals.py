"""What iTop says when it refuses: HTTP 200 with `code` and `message`, most of them 100 and a text in English. Pure.

Source: `RestResult` of application/applicationextension.inc.php and core/restservices.class.inc.php.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from connector.sdk import (
    AdapterError,
    AuthError,
    ConfigError,
    Conflict,
    Invalid,
    NotFound,
    OutcomeUnknown,
    SourceRef,
    Transient,
    UnexpectedResponse,
)
from connector_itop.words import SYSTEM

OK: Final = 0
UNAUTHORIZED, NO_USER, NO_PASSWORD = 1, 5, 6
MISSING_VERSION, MISSING_JSON, INVALID_JSON, UNSUPPORTED_VERSION, UNKNOWN_OPERATION = 2, 3, 4, 10, 11
UNSAFE, INVALID_PAGE = 12, 13

BUSY = re.compile(
    r"maintenance|read-?only mode|could not connect to the db|mysql|deadlock|lock wait timeout|server has gone away"
    r"|failed to issue sql query",
    re.IGNORECASE,
)
"""The database, or people who work on the system."""
NO_CLASS = re.compile(r"'(?P<name>\w*)' is not a valid class")
NO_ATTRIBUTE = re.compile(r"output_fields: invalid attribute code '(?P<name>\w*)'")
NO_OBJECT = re.compile(r"Invalid object \w+::\d+|No item found")
NO_MATCH = re.compile(r"No item found for query")
MISSING = re.compile(r"Missing mandatory attribute\(s\) for applying the stimulus: (?P<names>[\w, ]+)")
OF_ATTRIBUTE = re.compile(r"^(?:Error: )?(?P<name>\w+): (?P<why>.+)", re.DOTALL)
QUERY = re.compile(r"Query failed to execute|OQL", re.IGNORECASE)


class NoSuchAttribute(Invalid):
    """A class has no such attribute: data models differ. name: of the attribute."""

    def __init__(self, name: str, message: str, operation: str, ref: SourceRef | None) -> None:
        super().__init__(message, operation=operation, ref=ref, fields={name: "no such attribute"})
        self.name = name


class NoSuchClass(ConfigError):  # noqa: N818 - says what is so
    """The data model has no such class: its module was not installed."""


def refusal(
    code: int,
    message: str,
    operation: str,
    *,
    ref: SourceRef | None = None,
    written: Mapping[str, object] | None = None,
) -> AdapterError:
    """The error that an answer stands for. written: the attributes of a change, None of a question."""
    said = f"{operation}: {SYSTEM} answers {code}: {message[:500]}"
    detail = message[:1000]
    if code in (UNAUTHORIZED, NO_USER, NO_PASSWORD):
        return AuthError(
            said, operation=operation, ref=ref, detail=detail,
            hint="Check the login, and that the user has the profile 'REST Services User' beside one that may do this.",
        )  # fmt: skip
    if code in (MISSING_VERSION, UNSUPPORTED_VERSION, UNKNOWN_OPERATION):
        return ConfigError(
            said, operation=operation, ref=ref, detail=detail, hint="Check version, and base_url, in the settings."
        )
    if code in (MISSING_JSON, INVALID_JSON, INVALID_PAGE):
        return UnexpectedResponse(said, operation=operation, ref=ref, detail=detail)
    if BUSY.search(message):
        failed = Transient if written is None else OutcomeUnknown
        return failed(said, operation=operation, ref=ref, detail=detail)
    if found := NO_CLASS.search(message):
        return NoSuchClass(
            said, operation=operation, ref=ref, detail=detail,
            hint=f"The data model has no class {found['name']}: correct device_classes or ticket_classes, or roles.",
        )  # fmt: skip
    if found := NO_ATTRIBUTE.search(message):
        return NoSuchAttribute(found["name"], said, operation, ref)
    if written is None:
        return _of_question(said, message, operation, ref)
    return _of_change(said, message, operation, ref, written)


def _of_question(said: str, message: str, operation: str, ref: SourceRef | None) -> AdapterError:
    if NO_OBJECT.search(message):
        return NotFound(said, operation=operation, ref=ref, detail=message[:1000])
    hint = "Check the attributes that the settings name: one of them fails." if QUERY.search(message) else ""
    return UnexpectedResponse(said, operation=operation, ref=ref, detail=message[:1000], hint=hint)


def _of_change(
    said: str, message: str, operation: str, ref: SourceRef | None, written: Mapping[str, object]
) -> AdapterError:
    """Exceptions of a change are thrown before the object is saved, and roll back what was begun."""
    detail = message[:1000]
    if NO_MATCH.search(message):
        return Conflict(
            f"{operation}: somebody has changed the object meanwhile", operation=operation, ref=ref, detail=detail,
            hint="Look at it again before anything is written.",
        )  # fmt: skip
    if NO_OBJECT.match(message.removeprefix("Error: ")):
        return NotFound(said, operation=operation, ref=ref, detail=detail)
    if found := MISSING.search(message):
        names = [name.strip() for name in found["names"].split(",") if name.strip()]
        return Invalid(
            said, operation=operation, ref=ref, detail=detail, fields=dict.fromkeys(names, "is mandatory for this"),
            hint="Say in stimulus_fields what is to be filled in, or fill it in there.",
        )  # fmt: skip
    named = OF_ATTRIBUTE.match(message)
    if named and named["name"] in written:
        fields = {named["name"]: named["why"][:500]}
    else:
        fields = dict.fromkeys(written, message[:500])
    return Invalid(
        said, operation=operation, ref=ref, detail=detail, fields=fields,
        hint="Look at the object's mandatory and read-only attributes, and at the rights of the hub's user.",
    )  # fmt: skip
