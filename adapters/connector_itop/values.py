"""Values of iTop's answers and queries: times without a zone, numbers as texts, literals of OQL. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated, Any, Final
from zoneinfo import ZoneInfo

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationInfo

SQL: Final = "%Y-%m-%d %H:%M:%S"
"""Times in queries, in the history and in logs, whatever the format of the pages is."""


def instant(told: str, zone: str, form: str = SQL, *, latest: bool = False) -> datetime:
    """A time of iTop's. latest: of the two that it may mean where clocks are set back. Raises ValueError."""
    for each in dict.fromkeys((form, SQL)):
        try:
            at = datetime.strptime(told, each)  # noqa: DTZ007 - the zone is that of the settings
        except ValueError:
            continue
        return at.replace(tzinfo=ZoneInfo(zone), fold=1 if latest else 0)
    raise ValueError(f"time {told!r:.40} is in another format than {form!r}, see datetime_format in the settings")


def local(at: datetime, zone: str) -> str:
    """A time as queries have it."""
    return at.astimezone(ZoneInfo(zone)).strftime(SQL)


def quoted(text: str) -> str:
    """A text as a literal of OQL."""
    escaped = text.replace("\\", "\\\\").replace("'", "\\'")
    return f"'{escaped}'"


def one_of(attribute: str, texts: Iterable[str]) -> str:
    """The condition that an attribute is one of these texts."""
    return f"{attribute} IN ({', '.join(map(quoted, texts))})"


def with_ids(ids: Iterable[int]) -> str:
    """The condition that an object is one of these."""
    return f"id IN ({', '.join(map(str, sorted(ids)))})"


def _text(value: Any) -> Any:
    return (value.strip() or None) if isinstance(value, str) else value


def _number(value: Any) -> Any:
    return None if value in (0, "0", "", None) else value


def _time(value: Any, info: ValidationInfo) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    context: dict[str, str] = info.context or {}
    return instant(value.strip(), context.get("zone", "UTC"), context.get("form", SQL))


Text = Annotated[str | None, BeforeValidator(_text)]
Key = Annotated[Annotated[int, Field(gt=0)] | None, BeforeValidator(_number)]
"""What an external key refers to; 0 is nothing."""
Time = Annotated[AwareDatetime | None, BeforeValidator(_time)]
