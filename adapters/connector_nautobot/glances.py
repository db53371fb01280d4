"""What a device's row says at first sight: six fields of it tell whether anything in it is new."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

import msgspec

from connector.sdk.rest import SentRow


class Reference(msgspec.Struct, gc=False):
    """What a field points to."""

    id: str


class Glance(msgspec.Struct, gc=False):
    """What tells who a device is, when it changed (UTC), and what else its record depends on."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=255)]
    last_updated: Annotated[datetime, msgspec.Meta(tz=True)]
    location: Reference
    status: Reference
    parent_bay: Reference | None = None
    virtual_chassis: Reference | None = None


_glances = msgspec.json.Decoder(Glance)


def glance(row: SentRow) -> Glance | None:
    """What a device's row says at first sight; None for one that has to be read in full to say what is wrong."""
    try:
        seen = _glances.decode(row.raw)
        seen.last_updated = seen.last_updated.astimezone(UTC)
    except (msgspec.ValidationError, OverflowError):
        return None
    return seen
