"""What systems answer: objects and lists in their place, records that are made of them, reasons of refusals. Pure."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import quote

from pydantic import BaseModel, ConfigDict, SecretStr, ValidationError

from connector.model.errors import InvalidRecord
from connector.model.records import Record
from connector.model.refs import SourceRef
from connector.sdk.adapter import Rejected
from connector.sdk.errors import AdapterError, AuthError, Invalid, UnexpectedResponse

COMPARE = "Compare it with the API version in the adapter's README."


class Theirs(BaseModel):
    """An object of a system's API. What is not named is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


TheirsT = TypeVar("TheirsT", bound=Theirs)


def path_segment(text: str) -> str:
    """A text as one segment of an address, whatever is in it."""
    return quote(text, safe="")


def json_object(body: object, operation: str, *, hint: str = "", ref: SourceRef | None = None) -> dict[str, Any]:
    """The body, an object. Raises UnexpectedResponse."""
    if isinstance(body, dict):
        return body
    raise UnexpectedResponse(
        f"the answer to {operation} is no JSON object but {type(body).__name__}",
        operation=operation, ref=ref, hint=hint or COMPARE,
    )  # fmt: skip


def json_list(body: object, name: str, operation: str, *, hint: str = "") -> list[Any]:
    """The list of this name in an answer. Raises UnexpectedResponse."""
    found = json_object(body, operation, hint=hint).get(name)
    if isinstance(found, list):
        return found
    raise UnexpectedResponse(
        f"the answer to {operation} has no list `{name}`", operation=operation, hint=hint or COMPARE
    )


def read_answer(kind: type[TheirsT], body: object, operation: str) -> TheirsT:
    """An object of an answer. Raises UnexpectedResponse naming the place."""
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        path, why = _first(error)
        raise UnexpectedResponse(
            f"the answer to {operation} cannot be read at {path}: {why}", operation=operation, hint=COMPARE
        ) from None


def unreadable(error: ValidationError, what: str) -> InvalidRecord:
    """Why something cannot become a record, with its place. what: it is, for people."""
    path, why = _first(error)
    return InvalidRecord(f"the {what} cannot be read at {path}: {why}", path=path, hint=COMPARE)


@contextmanager
def one_read(operation: str, ref: SourceRef) -> Iterator[None]:
    """Reads one object where there is nothing to put aside: InvalidRecord becomes UnexpectedResponse."""
    try:
        yield
    except InvalidRecord as error:
        raise UnexpectedResponse(error.message, operation=operation, ref=ref, hint=error.hint or COMPARE) from error


def unreadable_webhook(error: InvalidRecord) -> Invalid:
    """The same of a webhook, as its parser raises it."""
    return Invalid(str(error), operation="parse webhook", fields={error.path or "": error.message})


def read_records(
    items: Iterable[object], read: Callable[[Any], Record], refuse: Callable[[Any, InvalidRecord], Rejected]
) -> tuple[tuple[Record, ...], tuple[Rejected, ...]]:
    """The records of all items that can be read, and those that cannot. read: raises InvalidRecord."""
    records: list[Record] = []
    refused: list[Rejected] = []
    for item in items:
        try:
            records.append(read(item))
        except InvalidRecord as error:
            refused.append(refuse(item, error))
    return tuple(records), tuple(refused)


def rejected(item: object, error: InvalidRecord, ref: SourceRef | None) -> Rejected:
    """An item that cannot become a record, kept whole. ref: what it is called, where that can be read."""
    return Rejected(ref=ref, raw=json.dumps(item, ensure_ascii=False).encode(), reason=str(error), path=error.path)


def id_of(body: object) -> str | None:
    """The `id` of an object, when it is one that can be referred to."""
    found = body.get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str) and 0 < len(found) <= 255 else None


def said(error: AdapterError) -> dict[str, Any]:
    """The JSON object that the system answered; empty where its answer is none, or was too long to be kept whole."""
    try:
        body = json.loads(error.detail)
    except (ValueError, RecursionError):
        return {}
    return body if isinstance(body, dict) else {}


def refusal(error: Invalid, system: str, fields: Mapping[str, str], *, hint: str = "") -> Invalid:
    """The same refusal with the fields that the system names and its reasons; unchanged where it names none."""
    if not fields:
        return error
    reasons = "; ".join(f"{field}: {reason}" for field, reason in fields.items())
    return Invalid(
        f"{system} refuses to {error.operation}: {reasons}",
        fields=fields, operation=error.operation, ref=error.ref, hint=hint or error.hint, detail=error.detail,
    )  # fmt: skip


def webhook_secret(secret: SecretStr | None, *, hint: str) -> str:
    """The secret of the settings. hint: where it comes from. Raises AuthError when they have none."""
    if secret is None:
        raise AuthError("a webhook came and the source has no webhook secret", operation="verify webhook", hint=hint)
    return secret.get_secret_value()


def _first(error: ValidationError) -> tuple[str, str]:
    """Where the first problem is, as a JSON pointer, and what it is."""
    first = error.errors(include_url=False, include_input=False)[0]
    return "/" + "/".join(str(step) for step in first["loc"]), first["msg"]
