"""Times of Snipe-IT: of its server's clock, to the second, without a zone."""

from __future__ import annotations

from datetime import UTC, date, datetime
from zoneinfo import ZoneInfo

from connector.sdk import InvalidRecord
from connector_snipe_it.client import Row

FORM = "%Y-%m-%d %H:%M:%S"


def changed_at(row: Row, zone: str, *, latest: bool = False) -> datetime:
    """When a row changed, UTC. latest: of the two that it may mean where clocks are set back. Raises InvalidRecord."""
    told = row.get("updated_at")
    text = told.get("datetime") if isinstance(told, dict) else None
    try:
        if not isinstance(text, str):
            raise ValueError
        at = datetime.strptime(text, FORM).replace(tzinfo=ZoneInfo(zone), fold=1 if latest else 0)
        return at.astimezone(UTC)
    except (ValueError, OverflowError):
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
