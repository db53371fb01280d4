"""Values of iTop: times without a zone (docs/decisions/0170), numbers as texts, literals of its queries. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Annotated, Any, Final

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationInfo

from connector.sdk import InvalidRecord
from connector.sdk.facts import Spelling

SQL: Final = "%Y-%m-%d %H:%M:%S"
"""Times in queries, in the history and in logs, whatever the format of the pages is."""


def instant(told: str, zone: str, form: str, read: Callable[[Spelling, object], datetime]) -> datetime:
    """A time in the format of the pages, or of SQL. read: as what it is read. Raises ValueError."""
    for each in dict.fromkeys((form, SQL)):
        try:
            return read(Spelling(each, zone), told)
        except InvalidRecord:
            continue
    raise ValueError(f"time {told!r:.40} is in another format than {form!r}, see datetime_format in the settings")


def asked(at: datetime, zone: str) -> str:
    """A time as queries have it: not later than is meant."""
    return Spelling(SQL, zone).write(at)


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


def _read(value: Any, info: ValidationInfo, read: Callable[[Spelling, object], datetime]) -> Any:
    if not isinstance(value, str):
        return value
    if not value.strip():
        return None
    context: dict[str, str] = info.context or {}
    return instant(value, context.get("zone", "UTC"), context.get("form", SQL), read)


def _time(value: Any, info: ValidationInfo) -> Any:
    return _read(value, info, Spelling.read)


def _change(value: Any, info: ValidationInfo) -> Any:
    return _read(value, info, Spelling.read_change)


Text = Annotated[str | None, BeforeValidator(_text)]
Key = Annotated[Annotated[int, Field(gt=0)] | None, BeforeValidator(_number)]
"""What an external key refers to; 0 is nothing."""
Time = Annotated[AwareDatetime | None, BeforeValidator(_time)]
ChangeTime = Annotated[AwareDatetime | None, BeforeValidator(_change)]
"""By which versions are compared: never later than it was."""
