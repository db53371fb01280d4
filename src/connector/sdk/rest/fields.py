"""Fields of rows read as what they are meant to be: texts, times, references, custom fields of the customer."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from enum import StrEnum
from typing import Any, TypeVar

from pydantic import ValidationError

from connector.model.errors import InvalidRecord
from connector.model.geo import Point
from connector.model.kinds import Criticality, HubTier, Lane
from connector.model.records import Address
from connector.sdk.cursors import read_instant
from connector.sdk.rest.rows import Row
from connector.sdk.rest.watermark import EPOCH

T = TypeVar("T")
E = TypeVar("E", bound=StrEnum)
CustomField = Callable[[str], str]
"""Key over there of the custom field with the given name."""

TRUE, FALSE = frozenset({"true", "yes", "1"}), frozenset({"false", "no", "0"})


def last_updated(row: Row) -> datetime:
    """When the object changed last; both it and `created` may be null over there. Raises InvalidRecord."""
    if row.get("last_updated") is None:
        return read_instant(EPOCH) if row.get("created") is None else _time(row, "created")
    return _time(row, "last_updated")


def _time(row: Row, name: str) -> datetime:
    value = text(row, name)
    try:
        return read_instant(value)
    except (ValueError, OverflowError) as error:
        raise InvalidRecord(f"field {name!r} is {value!r}: {error}", path=f"/{name}") from error


def text(row: Row, name: str) -> str:
    """A field that is always there. Raises InvalidRecord."""
    value = row.get(name)
    if not isinstance(value, str) or not value.strip():
        raise InvalidRecord(f"field {name!r} is {value!r}, expected a text", path=f"/{name}")
    return value


def optional(row: Row, name: str) -> str | None:
    """A field that may be empty; such systems write that as null or "". Raises InvalidRecord."""
    value = row.get(name)
    if value is None or value == "":
        return None
    if not isinstance(value, str):
        raise InvalidRecord(f"field {name!r} is {value!r}, expected a text or nothing", path=f"/{name}")
    return value


def custom(row: Row, key: str) -> object:
    """A custom field; None when the row has none of that key, or it is empty."""
    fields = row.get("custom_fields")
    value = fields.get(key) if isinstance(fields, dict) else None
    return None if value == "" else value


def custom_text(row: Row, key: str) -> str | None:
    """A custom field as text. Raises InvalidRecord."""
    value = custom(row, key)
    if isinstance(value, dict | list):
        raise InvalidRecord(f"custom field {key!r} is {value!r}, expected a text", path=f"/custom_fields/{key}")
    return None if value is None else str(value)


def choice(row: Row, key: str, kind: type[E]) -> E | None:
    """A custom field as one of our own words, in any case, with blanks or hyphens. Raises InvalidRecord."""
    value = custom_text(row, key)
    if value is None:
        return None
    try:
        return kind(value.strip().lower().replace("-", "_").replace(" ", "_"))
    except ValueError as error:
        known = ", ".join(member.value for member in kind)
        raise InvalidRecord(
            f"custom field {key!r} is {value!r}, expected one of {known}", path=f"/custom_fields/{key}"
        ) from error


def number(row: Row, key: str) -> int | None:
    """A custom field as a whole number that is not negative. Raises InvalidRecord."""
    value = custom_text(row, key)
    if value is None:
        return None
    if not value.strip().isdigit():
        raise InvalidRecord(f"custom field {key!r} is {value!r}, expected a whole number", path=f"/custom_fields/{key}")
    return int(value)


def day(row: Row, key: str) -> date | None:
    """A custom field as a date. Raises InvalidRecord."""
    value = custom_text(row, key)
    try:
        return None if value is None else date.fromisoformat(value.strip())
    except ValueError as error:
        raise InvalidRecord(
            f"custom field {key!r} is {value!r}, expected a date such as 2026-01-31", path=f"/custom_fields/{key}"
        ) from error


def truth(row: Row, key: str) -> bool | None:
    """A custom field as true or false. Raises InvalidRecord."""
    value = custom_text(row, key)
    if value is None:
        return None
    if value.strip().lower() in TRUE | FALSE:
        return value.strip().lower() in TRUE
    raise InvalidRecord(f"custom field {key!r} is {value!r}, expected true or false", path=f"/custom_fields/{key}")


def times(row: Row, key: str) -> tuple[str, ...] | None:
    """A custom field as times of day: a list, or a text with commas, semicolons or blanks between."""
    value = custom(row, key)
    if value is None:
        return None
    texts = value if isinstance(value, list) else [value]
    return tuple(part for text in texts for part in re.split(r"[\s,;]+", str(text)) if part)


def valid(build: Callable[[], T]) -> T:
    """What is built; what its model refuses is an InvalidRecord."""
    try:
        return build()
    except (ValidationError, ValueError) as error:
        raise invalid(error) from error


def invalid(error: ValidationError | ValueError) -> InvalidRecord:
    """The first thing that a model refuses, with field and value."""
    if not isinstance(error, ValidationError):
        return InvalidRecord(str(error))
    first = error.errors(include_url=False)[0]
    field = "/".join(str(part) for part in first["loc"])
    return InvalidRecord(f"{field} {first['input']!r}: {first['msg']}", path=f"/{field}")


def address_of(row: Row, custom_field: CustomField, contact: Mapping[str, str | None]) -> Address | None:
    """The address to ship to: such systems have it as free text only, town and country come from custom fields.

    contact: `contact`, `phone` and `email`, as far as they are known. Raises InvalidRecord.
    """
    free_text = optional(row, "shipping_address") or optional(row, "physical_address") or ""
    lines = [line.strip() for line in free_text.splitlines() if line.strip()]
    parts = {"line1": lines[0] if lines else None, "line2": ", ".join(lines[1:]) or None, **contact}
    for name in ("city", "postal_code", "state", "country"):
        parts[name] = custom_text(row, custom_field(name))
    return valid(lambda: Address(**parts)) if any(parts.values()) else None


def country_code(name: str | None, known: Mapping[str, str]) -> str | None:
    """Two letters for a country; None where nobody knows. known: codes by name in any case, before a code itself."""
    told = (name or "").strip()
    own = {theirs.casefold(): code for theirs, code in known.items()}
    return own.get(told.casefold()) or (told.upper() if re.fullmatch("[A-Za-z]{2}", told) else None)


def hub_facts(row: Row, custom_field: CustomField) -> dict[str, Any]:
    """What a hub's custom fields say of it, by the names of `HubRecord`. Raises InvalidRecord."""
    return {
        "tier": choice(row, custom_field("hub_tier"), HubTier),
        "opening_hours": custom_text(row, custom_field("opening_hours")),
        "courier_cut_offs": times(row, custom_field("courier_cut_offs")),
        "handling_minutes": number(row, custom_field("handling_minutes")),
        "pick_minutes": number(row, custom_field("pick_minutes")),
        "qa_minutes": number(row, custom_field("qa_minutes")),
        "pack_minutes": number(row, custom_field("pack_minutes")),
        "is_mobile": truth(row, custom_field("is_mobile")),
    }


def product_facts(row: Row, custom_field: CustomField) -> dict[str, Any]:
    """What a type's custom fields say of it, by the names of `ProductRecord`. Raises InvalidRecord."""
    return {
        "sku": custom_text(row, custom_field("sku")),
        "asset_class": custom_text(row, custom_field("asset_class")),
        "criticality": choice(row, custom_field("criticality"), Criticality),
        "unit_cost_cents": number(row, custom_field("unit_cost_cents")),
        "currency": custom_text(row, custom_field("currency")),
        "weight_g": number(row, custom_field("weight_g")),
        "is_data_bearing": truth(row, custom_field("is_data_bearing")),
    }


def asset_facts(row: Row, custom_field: CustomField) -> dict[str, Any]:
    """What a device's own fields say of it, by the names of `AssetRecord`. Raises InvalidRecord."""
    return {
        "name": optional(row, "name"),
        "serial": optional(row, "serial"),
        "asset_tag": optional(row, "asset_tag"),
        "revision": custom_text(row, custom_field("revision")),
        "warranty_ends_on": day(row, custom_field("warranty_ends_on")),
        "lane": choice(row, custom_field("lane"), Lane),
        "holder": custom_text(row, custom_field("holder")),
    }


def point_of(row: Row, name: str) -> Point | None:
    """Where latitude and longitude say that a place is; None when one of them is missing. Raises InvalidRecord."""
    latitude, longitude = row.get("latitude"), row.get("longitude")
    if latitude is None or longitude is None:
        return None
    try:
        return Point(float(str(latitude)), float(str(longitude)))
    except ValueError as error:
        raise InvalidRecord(
            f"position ({latitude!r}, {longitude!r}) of location {name!r} is none: {error}", path="/latitude"
        ) from error
