"""Custom scalars: instants, durations and free-form JSON."""

import re
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

JSON = NewType("JSON", object)
"""A value whose form is its source's affair."""

BigInt = NewType("BigInt", int)
"""A whole number that may be larger than GraphQL's `Int`."""

_DURATION = re.compile(
    r"(?P<sign>-)?P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d{1,6})?)S)?)?"
)


def format_time(value: datetime) -> str:
    """RFC 3339 in UTC, for example `2026-11-25T09:00:00Z`."""
    return value.astimezone(UTC).isoformat().removesuffix("+00:00") + "Z"


def parse_time(value: object) -> datetime:
    """An RFC 3339 instant; one without zone is refused. Raises ValueError."""
    try:
        time = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        time = None
    if time is None:
        raise ValueError(f"{value!r} is no instant; write it like '2026-11-25T09:00:00Z'")
    if time.tzinfo is None:
        raise ValueError(f"{value!r} has no time zone; write 'Z' or an offset such as '+01:00' behind it")
    return time.astimezone(UTC)


def format_duration(value: timedelta) -> str:
    """ISO 8601, for example `PT4H30M` or `P1DT2H`."""
    if value < timedelta(0):
        return "-" + format_duration(-value)
    minutes, seconds = divmod(value.seconds, 60)
    hours, minutes = divmod(minutes, 60)
    part = f"{seconds + value.microseconds / 1_000_000:.6f}".rstrip("0").rstrip(".")
    time = "".join(
        f"{number}{unit}" for number, unit in ((hours, "H"), (minutes, "M"), (part, "S")) if number not in (0, "0")
    )
    text = (f"{value.days}D" if value.days else "") + (f"T{time}" if time else "")
    return f"P{text}" if text else "PT0S"


def parse_duration(value: object) -> timedelta:
    """An ISO 8601 duration of weeks, days, hours, minutes and seconds. Raises ValueError."""
    match = _DURATION.fullmatch(value) if isinstance(value, str) else None
    parts = {name: float(text) for name, text in match.groupdict().items() if text and name != "sign"} if match else {}
    if match is None or not parts or str(value).endswith("T"):
        raise ValueError(f"{value!r} is no duration; write it like 'PT4H30M' or 'P1D' (no months or years)")
    duration = timedelta(**parts)
    return -duration if match["sign"] else duration


SCALARS: Mapping[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant in UTC, RFC 3339: `2026-11-25T09:00:00Z`. Input may carry any offset but needs one.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=format_time,
        parse_value=parse_time,
    ),
    timedelta: strawberry.scalar(
        name="Duration",
        description="A length of time, ISO 8601 without months and years: `PT4H30M`, `P1D`.",
        specified_by_url="https://www.iso.org/standard/70907.html",
        serialize=format_duration,
        parse_value=parse_duration,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A whole number of up to 64 bits, as a JSON number; `Int` ends at 32.",
        serialize=int,
        parse_value=int,
    ),
    JSON: strawberry.scalar(
        name="JSON",
        description="A JSON value whose form is told where it is used.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259",
        serialize=lambda value: value,
        parse_value=lambda value: value,
    ),
}
"""Python type -> scalar, for the schema's configuration."""


def as_json(value: Any) -> JSON:
    """Mark a value as free-form."""
    return JSON(value)
