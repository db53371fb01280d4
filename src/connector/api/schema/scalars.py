"""Custom scalars: instants, days, durations, exact numbers, points on the earth and free-form JSON."""

import re
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from typing import Any, NewType

import strawberry
from strawberry.types.scalar import ScalarDefinition

from connector.model.geo import Point

JSON = NewType("JSON", object)
"""A value whose form is its source's affair."""

BigInt = NewType("BigInt", int)
"""A whole number that may be larger than GraphQL's `Int`."""

_DAY = re.compile(r"\d{4}-\d{2}-\d{2}")
_DECIMAL = re.compile(r"-?\d{1,30}(\.\d{1,30})?")
_LARGEST = 2**63

_DURATION = re.compile(
    r"(?P<sign>-)?P(?:(?P<weeks>\d+)W)?(?:(?P<days>\d+)D)?"
    r"(?:T(?:(?P<hours>\d+)H)?(?:(?P<minutes>\d+)M)?(?:(?P<seconds>\d+(?:\.\d{1,6})?)S)?)?"
)


def format_time(value: datetime) -> str:
    """RFC 3339 in UTC, for example `2026-11-25T09:00:00Z`; a fraction has no more digits than it needs."""
    text = value.astimezone(UTC).isoformat().removesuffix("+00:00")
    return f"{text.rstrip('0') if '.' in text else text}Z"


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
    try:
        return time.astimezone(UTC)
    except OverflowError:
        raise ValueError(f"{value!r} lies outside of the years 1 to 9999 in UTC") from None


def parse_date(value: object) -> date:
    """An RFC 3339 full-date. Raises ValueError."""
    if isinstance(value, str) and _DAY.fullmatch(value):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ValueError(f"{value!r} is no day; write it like '2026-11-25'")


def format_decimal(value: Decimal) -> str:
    """Digits without an exponent, with the decimals that it has."""
    return format(value, "f")


def parse_decimal(value: object) -> Decimal:
    """A text of digits with a point, or a whole number: others are not exact in JSON. Raises ValueError."""
    if type(value) is int or (isinstance(value, str) and _DECIMAL.fullmatch(value)):
        return Decimal(value)
    raise ValueError(f"{value!r} is no exact number; write it as a text like '12.50'")


def parse_big_int(value: object) -> int:
    """A whole number of up to 64 bits. Raises ValueError."""
    if type(value) is int and -_LARGEST <= value < _LARGEST:
        return value
    raise ValueError(f"{value!r} is no whole number of up to 64 bits")


def format_point(value: Point) -> dict[str, object]:
    """The object of RFC 7946: longitude first."""
    return {"type": "Point", "coordinates": [value.longitude, value.latitude]}


def parse_point(value: object) -> Point:
    """A GeoJSON point of two coordinates. Raises ValueError."""
    match value:
        case {"type": "Point", "coordinates": [longitude, latitude], **others} if not others and all(
            type(degrees) in (int, float) for degrees in (longitude, latitude)
        ):
            return Point(float(latitude), float(longitude))
    raise ValueError(
        f"{value!r} is no GeoJSON point; write {{'type': 'Point', 'coordinates': [13.4, 52.5]}}, longitude first"
    )


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
    try:
        duration = timedelta(**parts)
    except OverflowError:
        raise ValueError(f"{value!r} is longer than the {timedelta.max.days:,} days that are allowed") from None
    return -duration if match["sign"] else duration


SCALARS: Mapping[object, ScalarDefinition] = {
    datetime: strawberry.scalar(
        name="DateTime",
        description="An instant in UTC, RFC 3339: `2026-11-25T09:00:00Z`. Input may carry any offset but needs one.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=format_time,
        parse_value=parse_time,
    ),
    date: strawberry.scalar(
        name="Date",
        description="A day, RFC 3339: `2026-11-25`.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339#section-5.6",
        serialize=date.isoformat,
        parse_value=parse_date,
    ),
    Decimal: strawberry.scalar(
        name="Decimal",
        description='An exact number, as a text: `"12.50"`. Input may be a whole number as well.',
        specified_by_url="https://www.w3.org/TR/xmlschema-2/#decimal",
        serialize=format_decimal,
        parse_value=parse_decimal,
    ),
    Point: strawberry.scalar(
        name="GeoJSONPoint",
        description='A position on the earth, GeoJSON: `{"type": "Point", "coordinates": [13.4, 52.5]}`, WGS 84, '
        "longitude first.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc7946#section-3.1.2",
        serialize=format_point,
        parse_value=parse_point,
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
        specified_by_url="https://www.rfc-editor.org/rfc/rfc8259#section-6",
        serialize=int,
        parse_value=parse_big_int,
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
