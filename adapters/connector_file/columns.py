"""Which columns each sheet has, how people also call them, and how they are found in a header."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connector.sdk import ConfigError


@dataclass(frozen=True, slots=True)
class Column:
    """A column. aliases: other headers that mean it. example: a cell, for templates."""

    name: str
    example: str = ""
    aliases: tuple[str, ...] = ()
    required: bool = False


def _product(
    prefix: str = "", maker: str = "Cisco", model: str = "C9300-48P", *, required: bool = True
) -> tuple[Column, ...]:
    aliases: tuple[tuple[str, ...], ...] = ((), ())
    if not prefix:
        aliases = (("maker", "vendor", "brand", "hersteller"), ("product", "product_name", "modell", "produkt"))
    return (
        Column(f"{prefix}manufacturer", maker, aliases[0], required),
        Column(f"{prefix}model", model, aliases[1], required),
    )


_PLACE = (
    Column("latitude", "52.5200", ("lat", "breitengrad")),
    Column("longitude", "13.4050", ("lon", "lng", "long", "längengrad")),
    Column("time_zone", "Europe/Berlin", ("timezone", "tz", "zeitzone")),
    Column("region", "EU-Central"),
    Column("line1", "Invalidenstraße 50", ("street", "address", "address1", "straße", "strasse", "adresse")),
    Column("line2", "", ("address2",)),
    Column("postal_code", "10557", ("zip", "zip_code", "zipcode", "postcode", "plz")),
    Column("city", "Berlin", ("town", "stadt", "ort")),
    Column("state", "", ("province", "bundesland")),
    Column("country", "DE", ("country_code", "land")),
    Column("contact", "Kim Muster", ("contact_name", "ansprechpartner")),
    Column("phone", "+49 30 1234567", ("telephone", "telefon")),
    Column("email", "spares@example.com", ("mail", "e_mail")),
)
_LANE = Column("lane", "normal", ("purpose",))

COLUMNS: Mapping[str, tuple[Column, ...]] = {
    "sites": (
        Column("code", "BER-HQ", ("site", "site_code", "standort"), required=True),
        Column("name", "Berlin head office", ("site_name",)),
        *_PLACE,
        Column("service_class", "", ("sla",)),
        Column("access_hours", "Mon-Fri 08:00-18:00", ("hours",)),
    ),
    "hubs": (
        Column("code", "BER", ("hub", "hub_code", "warehouse", "depot", "lager"), required=True),
        Column("name", "Berlin spare kit", ("hub_name",)),
        Column("tier", "local", ("level", "stufe")),
        *_PLACE,
        Column("opening_hours", "Mon-Fri 08:00-18:00", ("hours", "öffnungszeiten")),
        Column("courier_cut_offs", "12:00 17:00", ("cut_offs", "cutoffs", "courier_cutoffs", "cut_off")),
        Column("handling_minutes", "20", ("handling",)),
    ),
    "products": (
        *_product(),
        Column("part_number", "", ("part_no", "mpn", "teilenummer")),
        Column("sku", "", ("article", "article_number", "artikelnummer")),
        Column("asset_class", "access switch", ("class", "category", "type", "kategorie")),
        Column("criticality", "tier_2"),
        Column("unit_cost", "4200.00", ("cost", "price", "unit_price", "preis")),
        Column("currency", "EUR", ("währung",)),
        Column("weight_g", "7600", ("weight_grams", "weight_in_g")),
        Column("length_mm"),
        Column("width_mm"),
        Column("height_mm"),
        Column("is_data_bearing", "no", ("data_bearing",)),
        Column("tracking", "serialised"),
        Column("status", "active"),
    ),
    "compatibilities": (
        *_product(),
        *_product("substitute_", "Cisco", "C9300-48U"),
        Column("preference", "1", ("rank", "priority")),
        Column("condition"),
    ),
    "assets": (
        Column("serial", "FCW2140L0AB", ("serial_number", "serial_no", "sn", "seriennummer")),
        Column("asset_tag", "IT-00042", ("tag", "inventory_number", "inventarnummer")),
        Column("name", "", ("hostname", "host_name", "asset_name")),
        *_product(required=False),
        Column("hub", "BER", ("hub_code", "warehouse", "depot", "lager")),
        Column("site", "", ("site_code", "standort")),
        Column("state", "in_stock", ("status",)),
        _LANE,
        Column("holder", "", ("user", "assigned_to", "besitzer")),
        Column("url", "", ("link",)),
    ),
    "stock": (
        Column("hub", "BER", ("hub_code", "code", "warehouse", "depot", "lager"), required=True),
        *_product(maker="Panduit", model="LC-LC OM4 3m"),
        _LANE,
        Column("quantity", "12", ("qty", "count", "amount", "on_hand", "menge", "anzahl"), required=True),
        Column("reorder_point", "4", ("minimum", "min", "meldebestand")),
        Column("target", "16", ("maximum", "max", "sollbestand")),
        Column("counted_at", "2026-01-31", ("counted", "count_date", "gezählt_am")),
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
    """Find the columns. where: the file, for messages. renamed: header by column, as the settings have it.

    Raises ConfigError for a column that is missing or there twice.
    """
    known, places, unknown = known_headers(stream, renamed), dict[str, int](), list[str]()
    operation = f"pull {stream}"
    for place, text in enumerate(header):
        name = known.get(folded(text))
        if name is None:
            unknown += [text] if text else []
        elif name in places:
            raise ConfigError(
                f"{where}: the columns {header[places[name]]!r} and {text!r} both mean {name!r}",
                operation=operation,
                hint=f'Rename one, or say which it is: columns = {{ {stream} = {{ {name} = "{text}" }} }}.',
            )
        else:
            places[name] = place
    wanted = [column.name for column in COLUMNS[stream] if column.required or column.name in renamed]
    missing = [renamed.get(name, name) for name in wanted if name not in places]
    one_of = ONE_OF.get(stream, ())
    if one_of and not any(name in places for name in one_of):
        missing.append(" or ".join(one_of))
    if missing:
        found = ", ".join(repr(text) for text in header if text) or "none"
        expected = ", ".join(f"{column.name}*" if column.required else column.name for column in COLUMNS[stream])
        raise ConfigError(
            f"{where} has no column {', '.join(map(repr, missing))}. Columns found: {found}. "
            f"Columns expected: {expected} (* must be there)",
            operation=operation,
            hint=f'Rename the header, or name it in the settings: columns = {{ {stream} = {{ column = "header" }} }}.',
        )
    return Layout(tuple(header), places, tuple(unknown))
