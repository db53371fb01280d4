"""From rows to records. Pure; what is wrong with a row is noted in the row."""

from __future__ import annotations

import hashlib
import unicodedata
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from pydantic import ValidationError

from connector.sdk import (
    Address,
    AssetRecord,
    AssetState,
    CompatibilityRecord,
    Criticality,
    EntityKind,
    HubRecord,
    HubTier,
    KitRecord,
    Lane,
    Point,
    ProductKey,
    ProductRecord,
    ProductStatus,
    Record,
    SiteRecord,
    SourceRef,
    StockRecord,
    Tracking,
)
from connector_file.row import Row

LONGEST_ID = 255
LONGEST_CONDITION = 4096
LONGEST_INSTRUCTIONS = 32_767
"""What a cell of a workbook holds at most."""

Fields: TypeAlias = dict[str, object]


@dataclass(frozen=True, slots=True)
class Sheet:
    """What a stream's rows become. key: the row's identity, from columns that it needs. fields: everything else.

    together: where several rows are one thing, puts their fields together, noting in each row what is wrong with it
    beside the others; None where each row is one.
    """

    kind: EntityKind
    record: type[Record]
    key: Callable[[Row], str | None]
    fields: Callable[[Row], Fields]
    together: Callable[[Sequence[tuple[Row, Fields]]], Fields] | None = None


def reference(stream: str, row: Row) -> SourceRef | None:
    """Who the row is about; None, with the problem noted, when it does not say."""
    key = SHEETS[stream].key(row)
    return None if key is None else SourceRef(kind=SHEETS[stream].kind, external_id=key)


def record(stream: str, row: Row, ref: SourceRef) -> Record | None:
    """The row as a record; None, with the problems noted, when it cannot be one."""
    sheet = SHEETS[stream]
    try:
        fields = sheet.fields(row)
        return None if row.problems else sheet.record.model_validate({"ref": ref, **fields})
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            names = [part for part in item["loc"] if isinstance(part, str)]
            message = item["msg"].removeprefix("Value error, ")
            row.refuse(names[-1] if names else "", f"otherwise: {message}")
        return None


def joined_record(stream: str, rows: Sequence[Row], ref: SourceRef) -> Record | None:
    """The rows about one thing as one record; None, with the problems noted, when they cannot be one.

    Rows in which something is wrong already are left out of the comparison, and make that there is no record.
    """
    sheet = SHEETS[stream]
    if sheet.together is None:
        raise AssertionError(f"a row of {stream} is a record by itself")
    read = [(row, sheet.fields(row)) for row in rows]
    fields = sheet.together([(row, found) for row, found in read if not row.problems])
    if any(row.problems for row in rows):
        return None
    try:
        return sheet.record.model_validate({"ref": ref, **fields})
    except ValidationError as error:
        for item in error.errors(include_url=False, include_input=False):
            rows[0].problems.append(item["msg"].removeprefix("Value error, "))
        return None


def place_id(code: str) -> str:
    """Identity of a site or hub: its code in any case, so that `ber` is `BER`."""
    return _joined(code)


def _joined(*parts: str) -> str:
    """Parts as one identity, each folded; one that would be too long ends in a digest instead."""
    folded = (" ".join(unicodedata.normalize("NFKC", part).casefold().split()) for part in parts)
    joined = "/".join(part.replace("%", "%25").replace("/", "%2F") for part in folded)
    if len(joined) <= LONGEST_ID:
        return joined
    digest = hashlib.sha256(joined.encode()).hexdigest()
    return f"{joined[: LONGEST_ID - len(digest) - 1]}~{digest}"


def _place_key(row: Row) -> str | None:
    code = row.text("code", needed=True)
    return place_id(code) if code else None


def _needed(row: Row, *names: str) -> list[str] | None:
    texts = [row.text(name, needed=True) for name in names]
    found = [text for text in texts if text is not None]
    return found if len(found) == len(names) else None


def _product_key(row: Row) -> str | None:
    parts = _needed(row, "manufacturer", "model")
    return _joined(*parts) if parts else None


def _compatibility_key(row: Row) -> str | None:
    parts = _needed(row, "manufacturer", "model", "substitute_manufacturer", "substitute_model")
    return _joined(*parts) if parts else None


def _kit_key(row: Row) -> str | None:
    name = row.text("name", needed=True)
    return _joined(name) if name else None


def _asset_key(row: Row) -> str | None:
    before = len(row.problems)
    serial, tag = row.number_plate("serial"), row.number_plate("asset_tag")
    if len(row.problems) > before:
        return None
    if serial:
        return _joined("serial", serial)
    if tag:
        return _joined("tag", tag)
    row.problems.append("neither serial nor asset tag is given, expected one of them")
    return None


def _stock_key(row: Row) -> str | None:
    parts, lane = _needed(row, "hub", "manufacturer", "model"), row.choice("lane", Lane)
    if parts is None or (lane is None and row.cell("lane") is not None):
        return None
    return _joined(*parts, (lane or Lane.NORMAL).value)


def _place(row: Row) -> Fields:
    """What sites and hubs have in common."""
    latitude = row.number("latitude", lowest=-90, highest=90)
    longitude = row.number("longitude", lowest=-180, highest=180)
    for name, other in (("latitude", "longitude"), ("longitude", "latitude")):
        if row.cell(name) is None and row.cell(other) is not None:
            row.note(name, f"is empty, while {other} is given: give both or neither")
    names = ("line1", "line2", "city", "postal_code", "state", "contact", "phone", "email")
    address: dict[str, str | None] = {name: row.text(name) for name in names}
    address["country"] = row.code("country", 2, "DE") or row.config.country
    return {
        "name": row.text("name") or row.text("code"),
        "code": row.text("code"),
        "point": None if latitude is None or longitude is None else Point(latitude, longitude),
        "time_zone": row.text("time_zone") or row.config.time_zone,
        "region": row.text("region"),
        "address": Address(**address) if any(address.values()) else None,
    }


def _site(row: Row) -> Fields:
    return {
        **_place(row),
        "service_class": row.text("service_class"),
        "access_hours": row.text("access_hours"),
    }


def _hub(row: Row) -> Fields:
    return {
        **_place(row),
        "tier": row.choice("tier", HubTier),
        "opening_hours": row.text("opening_hours"),
        "courier_cut_offs": row.times("courier_cut_offs"),
        "handling_minutes": row.whole("handling_minutes", highest=10_080),
        "pick_minutes": row.whole("pick_minutes", highest=10_080),
        "qa_minutes": row.whole("qa_minutes", highest=10_080),
        "pack_minutes": row.whole("pack_minutes", highest=10_080),
        "is_mobile": row.truth("is_mobile"),
    }


def _product(row: Row) -> Fields:
    cost = row.cents("unit_cost")
    currency = row.code("currency", 3, "EUR")
    return {
        "key": _key(row, part_number=row.text("part_number")),
        "sku": row.text("sku"),
        "asset_class": row.text("asset_class"),
        "criticality": row.choice("criticality", Criticality),
        "unit_cost_cents": cost,
        "currency": currency or (row.config.currency if cost is not None else None),
        "weight_g": row.whole("weight_g"),
        "length_mm": row.whole("length_mm"),
        "width_mm": row.whole("width_mm"),
        "height_mm": row.whole("height_mm"),
        "is_data_bearing": row.truth("is_data_bearing"),
        "tracking": row.choice("tracking", Tracking),
        "status": row.choice("status", ProductStatus),
    }


def _compatibility(row: Row) -> Fields:
    return {
        "product": _key(row),
        "substitute": _key(row, "substitute_"),
        "preference": row.whole("preference", lowest=1, highest=1000) or 1,
        "condition": row.text("condition", longest=LONGEST_CONDITION),
    }


def _kit_line(row: Row) -> Fields:
    _needed(row, "component_manufacturer", "component_model")
    return {
        "name": row.text("name"),
        "product": _key(row) if _names_product(row) else None,
        "component": None if row.problems else _key(row, "component_"),
        "quantity": row.whole("quantity", lowest=1, highest=10_000) or 1,
        "instructions": row.text("instructions", longest=LONGEST_INSTRUCTIONS),
    }


def _kit(lines: Sequence[tuple[Row, Fields]]) -> Fields:
    """One line per component; device and instructions stand in one of them, or are the same in all."""
    whole: Fields = {"name": None, "product": None, "instructions": None}
    said: dict[str, int] = {}
    components: dict[str, Fields] = {}
    for row, fields in lines:
        for name, column in (("product", "model"), ("instructions", "instructions")):
            if fields[name] is None:
                continue
            first = said.setdefault(name, row.line.number)
            if whole[name] is None:
                whole[name] = fields[name]
            elif whole[name] != fields[name]:
                row.note(column, f"is not what line {first} says of the same kit: say it once")
        whole["name"] = whole["name"] or fields["name"]
        key = _joined(*(row.text(f"component_{part}") or "" for part in ("manufacturer", "model")))
        if key in components:
            line = components[key]["line"]
            row.note("component_model", f"names the component of line {line} again: state the quantity of both there")
        else:
            line_of = {"product": fields["component"], "quantity": fields["quantity"], "line": row.line.number}
            components[key] = line_of
    parts = [{"product": item["product"], "quantity": item["quantity"]} for item in components.values()]
    return {**whole, "components": parts}


def _names_product(row: Row) -> bool:
    """Whether a row names a product; half of a name is a problem."""
    maker, model = row.text("manufacturer"), row.text("model")
    if (maker is None) is not (model is None):
        row.note("model" if maker else "manufacturer", "is empty: give manufacturer and model, or neither")
    return bool(maker and model)


def _asset(row: Row) -> Fields:
    hub, site = row.text("hub"), row.text("site")
    place: SourceRef | None = None
    if hub and site:
        row.refuse("site", f"nothing, since hub {hub!r} is given: a device is in one place")
    elif hub or site:
        kind = EntityKind.HUB if hub else EntityKind.SITE
        place = SourceRef(kind=kind, external_id=place_id(hub or site or ""))
    return {
        "name": row.text("name"),
        "serial": row.text("serial"),
        "asset_tag": row.text("asset_tag"),
        "product": _key(row) if _names_product(row) else None,
        "revision": row.text("revision"),
        "warranty_ends_on": row.day("warranty_ends_on"),
        "place": place,
        "state": row.choice("state", AssetState),
        "lane": row.choice("lane", Lane),
        "holder": row.text("holder"),
        "url": row.text("url", longest=2048),
    }


def _stock(row: Row) -> Fields:
    return {
        "hub": row.text("hub"),
        "product": _key(row),
        "lane": row.choice("lane", Lane) or Lane.NORMAL,
        "quantity": row.whole("quantity", needed=True),
        "reorder_point": row.whole("reorder_point"),
        "target": row.whole("target"),
        "safety_stock": row.whole("safety_stock"),
        "emergency_buffer": row.whole("emergency_buffer"),
        "counted_at": row.moment("counted_at"),
    }


def _key(row: Row, prefix: str = "", *, part_number: str | None = None) -> ProductKey:
    return ProductKey(
        manufacturer=row.text(f"{prefix}manufacturer") or "", model=row.text(f"{prefix}model") or "",
        part_number=part_number,
    )  # fmt: skip


SHEETS: Mapping[str, Sheet] = {
    "sites": Sheet(EntityKind.SITE, SiteRecord, _place_key, _site),
    "hubs": Sheet(EntityKind.HUB, HubRecord, _place_key, _hub),
    "products": Sheet(EntityKind.PRODUCT, ProductRecord, _product_key, _product),
    "compatibilities": Sheet(EntityKind.COMPATIBILITY, CompatibilityRecord, _compatibility_key, _compatibility),
    "kits": Sheet(EntityKind.KIT, KitRecord, _kit_key, _kit_line, _kit),
    "assets": Sheet(EntityKind.ASSET, AssetRecord, _asset_key, _asset),
    "stock": Sheet(EntityKind.STOCK, StockRecord, _stock_key, _stock),
}
"""By stream, those that others refer to first."""
