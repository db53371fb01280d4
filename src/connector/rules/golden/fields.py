"""What sources state of things that several of them know: the fields, and the columns that each of them fills.

Columns that make sense only together are one field, so that no thing gets its latitude from one source and its
longitude from another.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Final

from connector.model.refs import EntityKind


@dataclass(frozen=True, slots=True)
class Field:
    """A field of a thing. columns: that hold it, in the order of a statement's values.

    is_event: what is said of it counts when it is said, and the hub may have changed it since: it is not worked out of
    what sources state, nobody overrides it, and precedence decides only whose news count. is_kept: a source that no
    longer says it has not erased it.
    """

    name: str
    columns: tuple[str, ...]
    is_event: bool = False
    is_kept: bool = False


def _fields(*fields: Field) -> Mapping[str, Field]:
    return {field.name: field for field in fields}


def _plain(*names: str) -> tuple[Field, ...]:
    return tuple(Field(name, (name,)) for name in names)


_PLACE: Final = (
    Field("position", ("latitude", "longitude")),
    *_plain("time_zone", "region"),
    Field("address", ("address", "country")),
)

FIELDS: Final[Mapping[EntityKind, Mapping[str, Field]]] = {
    EntityKind.SITE: _fields(
        Field("name", ("name",), is_kept=True),
        *_plain("code"),
        *_PLACE,
        Field("service_class", ("service_class_id",)),
        *_plain("access_hours"),
    ),
    EntityKind.HUB: _fields(
        Field("name", ("name",), is_kept=True),
        *_plain("code"),
        *_PLACE,
        *(Field(name, (name,), is_kept=True) for name in ("tier", "opening_hours", "courier_cut_offs", "is_mobile")),
        Field("handling_time", ("handling_minutes",), is_kept=True),
        *(Field(f"{step}_time", (f"{step}_minutes",)) for step in ("pick", "qa", "pack")),
    ),
    EntityKind.PRODUCT: _fields(
        Field("name", ("manufacturer", "model"), is_event=True),
        *_plain("part_number", "sku", "asset_class", "criticality"),
        Field("unit_cost", ("unit_cost_cents", "currency")),
        *_plain("weight_g"),
        Field("size", ("length_mm", "width_mm", "height_mm")),
        *_plain("is_data_bearing"),
        Field("tracking", ("tracking",), is_event=True),
        Field("status", ("status",), is_kept=True),
    ),
    EntityKind.ASSET: _fields(
        *_plain("name", "serial", "asset_tag"),
        Field("product", ("product_id",), is_kept=True),
        *_plain("revision", "warranty_ends_on", "holder", "url"),
        Field("place", ("site_id", "hub_id"), is_event=True),
        Field("state", ("state",), is_event=True),
        Field("lane", ("lane",), is_event=True),
    ),
}
"""Kind of thing -> its fields by their names, as the configuration and the database call them."""

UNIQUE: Final = frozenset({(EntityKind.HUB, "code"), (EntityKind.PRODUCT, "sku")})
"""Fields of which no two things have the same value."""


def field_of(kind: EntityKind, column: str) -> Field | None:
    """The field that a column belongs to; None for one that no source states."""
    return next((field for field in FIELDS[kind].values() if column in field.columns), None)


def path_problem(path: str) -> str | None:
    """What is wrong with `kind` or `kind.field` as a name; None when there is such a kind or field."""
    kind, _, name = path.partition(".")
    kinds = [each.value for each in FIELDS]
    if kind not in kinds:
        near = get_close_matches(kind, kinds, n=1)
        return f"there is no kind {kind!r}" + (f"; did you mean {near[0]!r}?" if near else f": {', '.join(kinds)} are")
    fields = FIELDS[EntityKind(kind)]
    if "." in path and name not in fields:
        near = get_close_matches(name, fields, n=1, cutoff=0.4)
        told = f"; did you mean '{kind}.{near[0]}'?" if near else f", only {', '.join(fields)}"
        return f"{kind} has no field {name!r}{told}"
    return None
