"""Times of Snipe-IT: of its server's clock, to the second, without a zone (docs/decisions/0170)."""

from __future__ import annotations

from datetime import date, datetime

from connector.sdk import InvalidRecord
from connector.sdk.facts import Spelling
from connector_snipe_it.client import Row

FORM = "%Y-%m-%d %H:%M:%S"


def changed_at(row: Row, zone: str, *, latest: bool = False) -> datetime:
    """When a row changed, UTC, never later than it did. latest: never earlier. Raises InvalidRecord."""
    told = row.get("updated_at")
    text = told.get("datetime") if isinstance(told, dict) else None
    spelling = Spelling(FORM, zone)
    try:
        return spelling.read_latest(text) if latest else spelling.read_change(text)
    except InvalidRecord:
        raise InvalidRecord(
            f"updated_at is {told!r:.80}, expected such as 2026-01-31 09:30:00", path="/updated_at"
        ) from None


def day(told: object, name: str) -> date | None:
    """A date; None where there is none. Raises InvalidRecord."""
    if told is None:
        return None
    text = told.get("date") if isinstance(told, dict) else None
    try:
        return date.fromisoformat(str(text))
    except ValueError:
        raise InvalidRecord(f"{name} is {told!r:.80}, expected such as 2026-01-31", path=f"/{name}") from None
