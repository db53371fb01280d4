"""Which columns each sheet has, how people also call them, and how they are found in a header."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.sdk import ConfigError


@dataclass(frozen=True, slots=True)
class Column:
    """A column. aliases: other headers that mean it. required: a sheet without it cannot be used."""

    name: str
    aliases: tuple[str, ...] = ()
    required: bool = False


def _product(prefix: str = "", *, required: bool = True) -> tuple[Column, ...]:
    aliases: tuple[tuple[str, ...], ...] = ((), ())
    if not prefix:
        aliases = (("maker", "vendor", "brand", "hersteller"), ("product", "product_name", "modell", "produkt"))
    return (
        Column(f"{prefix}manufacturer", aliases[0], required),
        Column(f"{prefix}model", aliases[1], required),
    )


_PLACE = (
    Column("latitude", ("lat", "breitengrad")),
    Column("longitude", ("lon", "lng", "long", "längengrad")),
    Column("time_zone", ("timezone", "tz", "zeitzone")),
    Column("region"),
    Column("line1", ("street", "address", "address1", "straße", "strasse", "adresse")),
    Column("line2", ("address2",)),
    Column("postal_code", ("zip", "zip_code", "zipcode", "postcode", "plz")),
    Column("city", ("town", "stadt", "ort")),
    Column("state", ("province", "bundesland")),
    Column("country", ("country_code", "land")),
    Column("contact", ("contact_name", "ansprechpartner")),
    Column("phone", ("telephone", "telefon")),
    Column("email", ("mail", "e_mail")),
)
_LANE = Column("lane", ("purpose",))

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "sites": (
        Column("code", ("site", "site_code", "standort"), required=True),
        Column("name", ("site_name",)),
        *_PLACE,
        Column("service_class", ("sla",)),
        Column("access_hours", ("hours",)),
    ),
    "hubs": (
        Column("code", ("hub", "hub_code", "warehouse", "depot", "lager"), required=True),
        Column("name", ("hub_name",)),
        Column("tier", ("level", "stufe")),
        *_PLACE,
        Column("opening_hours", ("hours", "öffnungszeiten")),
        Column("courier_cut_offs", ("cut_offs", "cutoffs", "courier_cutoffs", "cut_off")),
        Column("handling_minutes", ("handling",)),
        Column("pick_minutes", ("pick",)),
        Column("qa_minutes", ("qa", "check_minutes")),
        Column("pack_minutes", ("pack",)),
        Column("is_mobile", ("mobile",)),
    ),
    "products": (
        *_product(),
        Column("part_number", ("part_no", "mpn", "teilenummer")),
        Column("sku", ("article", "article_number", "artikelnummer")),
        Column("asset_class", ("class", "category", "type", "kategorie")),
        Column("criticality"),
        Column("unit_cost", ("cost", "price", "unit_price", "preis")),
        Column("currency", ("währung",)),
        Column("weight_g", ("weight_grams", "weight_in_g")),
        Column("length_mm"),
        Column("width_mm"),
        Column("height_mm"),
        Column("is_data_bearing", ("data_bearing",)),
        Column("tracking"),
        Column("status"),
    ),
    "compatibilities": (
        *_product(),
        *_product("substitute_"),
        Column("preference", ("rank", "priority")),
        Column("condition"),
    ),
    "kits": (
        Column("name", ("kit", "kit_name", "bausatz"), required=True),
        *_product(required=False),
        *_product("component_"),
        Column("quantity", ("qty", "count", "menge", "anzahl")),
        Column("instructions", ("how_to", "anleitung")),
    ),
    "assets": (
        Column("serial", ("serial_number", "serial_no", "sn", "seriennummer")),
        Column("asset_tag", ("tag", "inventory_number", "inventarnummer")),
        Column("name", ("hostname", "host_name", "asset_name")),
        *_product(required=False),
        Column("revision", ("hardware_revision", "hw_revision", "rev")),
        Column("warranty_ends_on", ("warranty", "warranty_end", "warranty_until", "garantie_bis")),
        Column("hub", ("hub_code", "warehouse", "depot", "lager")),
        Column("site", ("site_code", "standort")),
        Column("state", ("status",)),
        _LANE,
        Column("holder", ("user", "assigned_to", "besitzer")),
        Column("url", ("link",)),
    ),
    "stock": (
        Column("hub", ("hub_code", "code", "warehouse", "depot", "lager"), required=True),
        *_product(),
        _LANE,
        Column("quantity", ("qty", "count", "amount", "on_hand", "menge", "anzahl"), required=True),
        Column("reorder_point", ("minimum", "min", "meldebestand")),
        Column("target", ("maximum", "max", "sollbestand")),
        Column("safety_stock", ("safety", "sicherheitsbestand")),
        Column("emergency_buffer", ("buffer", "notreserve")),
        Column("counted_at", ("counted", "count_date", "gezählt_am")),
    ),
}
"""Columns by stream, in the order of the templates."""

ONE_OF: Mapping[str, tuple[str, ...]] = {"assets": ("serial", "asset_tag")}
"""Of these columns a sheet must have one at least."""


@dataclass(frozen=True, slots=True)
class Layout:
    """Where a sheet's columns are.

    header: texts of the header. places: position by column name. unknown: headers that mean nothing here.
    """

    header: tuple[str, ...]
    places: Mapping[str, int]
    unknown: tuple[str, ...]

    def named(self, column: str) -> str:
        """The header of a column as its sheet writes it; the column's own name where the sheet has none."""
        place = self.places.get(column)
        return column if place is None else self.header[place]


def folded(header: str) -> str:
    """A header for comparison: lower case, one underscore for any run of spaces, dots and dashes."""
    return re.sub(r"[\s._-]+", "_", header.strip().casefold()).strip("_")


def known_headers(stream: str, renamed: Mapping[str, str]) -> dict[str, str]:
    """Column name by folded header. renamed: header by column, for the headers that settings name."""
    names = {folded(text): column.name for column in COLUMNS[stream] for text in (*column.aliases, column.name)}
    given = {folded(header): name for name, header in renamed.items()}
    return {header: name for header, name in names.items() if name not in renamed} | given


def read_header(stream: str, where: str, header: Sequence[str], renamed: Mapping[str, str]) -> Layout:
    """Find the columns; a column's own name goes before an alias of it.

    where: the file, for messages. renamed: header by column, as the settings have it.
    Raises ConfigError for a column that is missing or there twice.
    """
    known, operation = known_headers(stream, renamed), f"pull {stream}"
    candidates: dict[str, list[int]] = {}
    for place, text in enumerate(header):
        if folded(text) in known:
            candidates.setdefault(known[folded(text)], []).append(place)
    places: dict[str, int] = {}
    for name, found in candidates.items():
        exact = [place for place in found if folded(header[place]) == name]
        chosen = found if len(found) == 1 else exact
        if len(chosen) != 1:
            one, other = header[found[0]], header[found[1]]
            raise ConfigError(
                f"{where}: the columns {one!r} and {other!r} both mean {name!r}",
                operation=operation,
                hint=f'Rename one, or say which it is: columns = {{ {stream} = {{ {name} = "{other}" }} }}.',
            )
        places[name] = chosen[0]
    unknown = [text for place, text in enumerate(header) if text and place not in places.values()]
    wanted = [column.name for column in COLUMNS[stream] if column.required or column.name in renamed]
    missing = [renamed.get(name, name) for name in wanted if name not in places]
    one_of = ONE_OF.get(stream, ())
    if one_of and not any(name in places for name in one_of):
        missing.append(" or ".join(one_of))
    if missing:
        seen = ", ".join(repr(text) for text in header if text) or "none"
        expected = ", ".join(f"{column.name}*" if column.required else column.name for column in COLUMNS[stream])
        raise ConfigError(
            f"{where} has no column {', '.join(map(repr, missing))}. Columns found: {seen}. "
            f"Columns expected: {expected} (* must be there)",
            operation=operation,
            hint=f'Rename the header, or name it in the settings: columns = {{ {stream} = {{ column = "header" }} }}.',
        )
    return Layout(tuple(header), places, tuple(unknown))
