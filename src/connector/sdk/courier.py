"""What adapters of couriers share: reading their answers, and telling when a label was used."""

from __future__ import annotations

import json
from typing import Any, TypeVar

from pydantic import BaseModel, ConfigDict, ValidationError

from connector.model.errors import InvalidRecord
from connector.model.lifecycle import ShipmentStatus
from connector.model.refs import EntityKind, SourceRef
from connector.sdk.adapter import Rejected
from connector.sdk.errors import UnexpectedResponse

UNDER_WAY = frozenset(ShipmentStatus) - {
    ShipmentStatus.PENDING,
    ShipmentStatus.LABEL_CREATED,
    ShipmentStatus.CANCELLED,
}
"""A label whose parcel is in one of these was used."""
COMPARE = "Compare it with the API version in the adapter's README."


class Theirs(BaseModel):
    """An object of a courier's API. What is not named is passed over."""

    model_config = ConfigDict(extra="ignore", frozen=True)


TheirsT = TypeVar("TheirsT", bound=Theirs)


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


def id_of(body: object) -> str | None:
    """The `id` of an object, when it is one that can be referred to."""
    found = body.get("id") if isinstance(body, dict) else None
    return found if isinstance(found, str) and 0 < len(found) <= 255 else None


def rejected(body: Any, error: InvalidRecord) -> Rejected:
    """A tracker that cannot become a record, kept whole."""
    external_id = id_of(body)
    ref = SourceRef(kind=EntityKind.SHIPMENT, external_id=external_id) if external_id else None
    return Rejected(ref=ref, raw=json.dumps(body, ensure_ascii=False).encode(), reason=str(error), path=error.path)


def _first(error: ValidationError) -> tuple[str, str]:
    """Where the first problem is, as a JSON pointer, and what it is."""
    first = error.errors(include_url=False, include_input=False)[0]
    return "/" + "/".join(str(step) for step in first["loc"]), first["msg"]
