"""The files of a backtest: tickets, stock, substitutes and lead times; docs/backtest.md describes their columns."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from difflib import get_close_matches
from enum import StrEnum
from pathlib import Path
from typing import TypeVar
from zoneinfo import ZoneInfo

from connector.cli.csv_rows import Row, Sheet, read_sheet
from connector.model.calendars import parse_hours
from connector.model.errors import InvalidInput
from connector.model.geo import Point
from connector.model.kinds import HubTier, Lane, Priority, TicketType
from connector.model.lifecycle import AssetState, TicketState
from connector.model.naming import fold
from connector.planning.history import LeadKey, LeadTime, LeadTimes, PastTicket
from connector.rules.facts.fleet import Fleet, HubFacts, hub_facts
from connector.rules.facts.scene import Place, Scene, Shelf
from connector.rules.facts.shelves import SubstituteFacts
from connector.rules.facts.ticket import AssetFacts, ProductFacts, ServiceClassFacts, SiteFacts, TicketFacts
from connector.rules.policy.conditions import compile_condition

TICKET_COLUMNS = (
    "priority", "type", "category", "title", "description", "requester", "source", "quantity", "sla_due_at", "site",
    "region", "country", "latitude", "longitude", "time_zone", "access_hours", "service_class", "asset_class",
    "unit_cost_cents", "asset", "duplicate_of", "parent",
)  # fmt: skip
HUB_COLUMNS = (
    "tier", "region", "country", "latitude", "longitude", "time_zone", "opening_hours", "cut_offs", "handling_minutes",
)  # fmt: skip
SHELF_COLUMNS = ("lane", "asset_class", "unit_cost_cents", "safety_stock", "emergency_buffer")

KindT = TypeVar("KindT", bound=StrEnum)


@dataclass(frozen=True, slots=True)
class Names:
    """Names of products as files write them, to products; folded, so that case and punctuation do not matter."""

    products: dict[str, ProductFacts]

    def product(self, name: str) -> ProductFacts | None:
        """The product that is called so."""
        return self.products.get(fold(name))


def names_of(products: Iterable[ProductFacts]) -> Names:
    """Products by maker and model, and by part number and SKU."""
    names: dict[str, ProductFacts] = {}
    for product in products:
        for name in (product.label, product.part_number, product.sku):
            if name:
                names.setdefault(fold(name), product)
    return Names(names)


def products_named(tickets: Sheet, stock: Sheet, substitutes: Sheet | None) -> Names:
    """Every product that the files name, numbered by name; what they cost and are, from whichever row says so."""
    rows = [(row.values["product"], row) for sheet in (tickets, stock) for row in sheet.rows]
    rows += [
        (row.values[c], row) for row in (substitutes.rows if substitutes else ()) for c in ("product", "substitute")
    ]
    labels: dict[str, str] = {}
    costs: dict[str, set[int]] = {}
    classes: dict[str, set[str]] = {}
    for name, row in rows:
        key = fold(name)
        labels[key] = min(labels.get(key, name), name)
        if (row.values.get("unit_cost_cents") or "").isdecimal():
            costs.setdefault(key, set()).add(int(row.values["unit_cost_cents"]))
        if "asset_class" in row.values:
            classes.setdefault(key, set()).add(row.values["asset_class"])
    return Names({
        key: ProductFacts(
            id=number,
            manufacturer=_maker_and_model(labels[key])[0],
            model=_maker_and_model(labels[key])[1],
            asset_class=min(classes[key]) if key in classes else None,
            unit_cost_cents=max(costs[key]) if key in costs else None,
        )
        for number, key in enumerate(sorted(labels), 1)
    })  # fmt: skip


def read_stock(sheet: Sheet, names: Names, substitutes: Sheet | None) -> Scene:
    """Hubs and what lies on their shelves. Hubs are numbered by name, so that the order of rows does not matter.

    Raises InvalidInput when rows of one hub say different things of it.
    """
    by_hub: dict[str, dict[str, str]] = {}
    for row in sheet.rows:
        known = by_hub.setdefault(row.values["hub"], {})
        for column in HUB_COLUMNS:
            value = row.values.get(column, known.get(column, ""))
            if known.get(column, value) != value:
                raise InvalidInput(
                    f"{sheet.path.name}:{row.line}: hub {row.values['hub']!r} has two values of {column}: "
                    f"{known[column]!r} and {value!r}",
                    hint="Give each hub one value, or leave the other cells empty.",
                )
            if value:
                known[column] = value
    hubs = {}
    for number, name in enumerate(sorted(by_hub), 1):
        try:
            hubs[name] = _hub(number, name, by_hub[name])
        except ValueError as error:
            raise InvalidInput(f"{sheet.path.name}: hub {name!r}: {error}") from error
    stock: dict[Shelf, int] = {}
    keeps: dict[Shelf, tuple[int, int]] = {}
    for row in sheet.rows:
        product = names.product(row.values["product"])
        try:
            lane = _member(Lane, row.values.get("lane"), "lane") or Lane.NORMAL
            units = _whole(row.values["quantity"], "quantity")
            safety, buffer = (_whole(row.values.get(name, "0"), name) for name in ("safety_stock", "emergency_buffer"))
        except ValueError as error:
            sheet.leave_out(row, error)
            continue
        if product is not None:
            shelf = Shelf(hubs[row.values["hub"]].id, product.id, lane)
            stock[shelf] = stock.get(shelf, 0) + units
            if safety or buffer:
                before = keeps.get(shelf, (0, 0))
                keeps[shelf] = (before[0] + safety, before[1] + buffer)
        else:
            sheet.leave_out(row, f"product {row.values['product']!r} is not known")
    return Scene(
        fleet=Fleet(hubs.values()),
        stock=stock,
        keeps=keeps,
        products={product.id: product for product in names.products.values()},
        regions={hubs[name].id: values.get("region", "") for name, values in by_hub.items()},
        substitutes=_substitutes(substitutes, names) if substitutes else {},
    )


def _hub(number: int, name: str, values: Mapping[str, str]) -> HubFacts:
    facts = hub_facts(
        id=number,
        label=name,
        tier=_member(HubTier, values.get("tier"), "tier") or HubTier.REGIONAL,
        latitude=_number(values.get("latitude"), "latitude"),
        longitude=_number(values.get("longitude"), "longitude"),
        time_zone=values.get("time_zone"),
        opening_hours=values.get("opening_hours", "24x7"),
        cut_offs=tuple(values.get("cut_offs", "17:00").split()),
        handling_minutes=_whole(values.get("handling_minutes", "60"), "handling_minutes"),
        country=values.get("country"),
    )
    if facts.problem:
        raise ValueError(facts.problem)
    return facts


def _substitutes(sheet: Sheet, names: Names) -> dict[int, tuple[SubstituteFacts, ...]]:
    found: dict[int, list[SubstituteFacts]] = {}
    for row in sheet.rows:
        product, substitute = (names.product(row.values[column]) for column in ("product", "substitute"))
        try:
            preference = _whole(row.values.get("preference", "1"), "preference")
            condition = row.values.get("condition")
            if condition:
                compile_condition(condition)
        except ValueError as error:
            sheet.leave_out(row, error)
            continue
        if product and substitute:
            found.setdefault(product.id, []).append(
                SubstituteFacts(substitute.id, substitute.label, max(preference, 1), condition)
            )
    return {
        product_id: tuple(sorted(items, key=lambda item: (item.preference, item.product_id)))
        for product_id, items in found.items()
    }


def read_tickets(
    sheet: Sheet, names: Names, places: Mapping[str, Place], classes: frozenset[str], time_zone: str | None
) -> list[PastTicket]:
    """The history in the order of its numbers. A ticket that stands there twice counts once.

    places: known sites by folded name; a row with coordinates says itself where its site is, which is then none of the
    known ones. classes: service classes
    that are defined. time_zone: of times that name none; rows with such times are left out when it is None.
    """
    sites = {name: -n for n, name in enumerate(sorted({row.values.get("site", "") for row in sheet.rows}), 1)}
    devices = {fold(row.values["asset"]) for row in sheet.rows if "asset" in row.values}
    numbers = {name: n for n, name in enumerate(sorted(devices), 1)}
    read: list[tuple[Row, PastTicket]] = []
    for row in sheet.rows:
        try:
            past = _ticket(row.values, names, places, sites, classes, time_zone)
            read.append((row, replace(past, asset=_asset(row.values.get("asset"), numbers))))
        except ValueError as error:
            sheet.leave_out(row, error)
    read.sort(key=lambda item: (item[1].ticket.number, item[1].opened_at, sorted(item[0].values.items())))
    tickets: list[PastTicket] = []
    for row, past in read:
        if tickets and tickets[-1].ticket.number == past.ticket.number:
            sheet.leave_out(row, f"ticket {past.ticket.number!r} stands there twice")
        else:
            tickets.append(replace(past, ticket=replace(past.ticket, id=len(tickets) + 1)))
    return tickets


def _ticket(
    values: Mapping[str, str],
    names: Names,
    places: Mapping[str, Place],
    sites: Mapping[str, int],
    classes: frozenset[str],
    time_zone: str | None,
) -> PastTicket:
    product = names.product(values["product"])
    place = _place(values, places, sites, classes)
    quantity = _whole(values.get("quantity", "1"), "quantity")
    if quantity < 1:
        raise ValueError("quantity: 0 units are none")
    ticket = TicketFacts(
        id=0,
        number=values["number"],
        type=_member(TicketType, values.get("type"), "type") or TicketType.INCIDENT,
        state=TicketState.NEW,
        priority=_member(Priority, values.get("priority"), "priority"),
        title=values.get("title", ""),
        description=values.get("description"),
        category=values.get("category"),
        requester=values.get("requester"),
        site_hint=values.get("site") if place is None else None,
        product_hint=values["product"] if product is None else None,
        source=values.get("source", ""),
        opened_at=_time(values["opened_at"], "opened_at", time_zone),
        sla_due_at=_time(values["sla_due_at"], "sla_due_at", time_zone) if "sla_due_at" in values else None,
    )
    return PastTicket(
        ticket,
        product=product,
        site=place.site if place else None,
        service_class=place.service_class if place else None,
        quantity=quantity,
        duplicate_of=values.get("duplicate_of"),
        parent=values.get("parent"),
    )


def _asset(name: str | None, numbers: Mapping[str, int]) -> AssetFacts | None:
    """The device that a history calls so; only whether it is the same one matters."""
    return None if name is None else AssetFacts(numbers[fold(name)], AssetState.DEPLOYED, name)


def _place(
    values: Mapping[str, str], places: Mapping[str, Place], sites: Mapping[str, int], classes: frozenset[str]
) -> Place | None:
    name = values.get("site", "")
    known = places.get(fold(name)) if name else None
    latitude, longitude = (_number(values.get(column), column) for column in ("latitude", "longitude"))
    if known is not None and latitude is None:
        return known
    if latitude is None or longitude is None:
        return None
    Point(latitude, longitude)
    zone, hours, stated = values.get("time_zone"), values.get("access_hours"), values.get("service_class")
    if zone:
        _zone(zone)
    if hours:
        parse_hours(hours)
    if stated and stated not in classes:
        near = get_close_matches(stated, classes, n=1) or sorted(classes)
        raise ValueError(f"service_class: {stated!r} is not defined in both policies; there are {', '.join(near)}")
    site = SiteFacts(
        id=sites[name], name=name or f"{latitude:g}, {longitude:g}", latitude=latitude, longitude=longitude,
        time_zone=zone, region=values.get("region"), country=values.get("country"), access_hours=hours,
    )  # fmt: skip
    return Place(site, ServiceClassFacts(stated, 1, "24x7") if stated else None)  # what it means is the policy's


def read_lead_times(path: Path, *, otherwise: LeadTime) -> tuple[LeadTimes, Sheet]:
    """Lead times by product, by hub, by both, or for everything."""
    sheet = read_sheet(path, required=("days",), optional=("product", "hub", "deviation_days"))
    known: dict[LeadKey, LeadTime] = {}
    for row in sheet.rows:
        key = (fold(row.values.get("product", "")), fold(row.values.get("hub", "")))
        try:
            days = _number(row.values["days"], "days") or 0.0
            deviation = _number(row.values.get("deviation_days", "0"), "deviation_days") or 0.0
            if days < 0 or deviation < 0:
                raise ValueError("a lead time cannot be negative")
            if key in known:
                raise ValueError("the same product and hub stand there twice")
        except ValueError as error:
            sheet.leave_out(row, error)
            continue
        known[key] = LeadTime(days, deviation)
    return LeadTimes(known, otherwise), sheet


def _maker_and_model(label: str) -> tuple[str, str]:
    """The first word and the rest."""
    maker, _, model = label.partition(" ")
    return maker, model


def _member(kind: type[KindT], text: str | None, column: str) -> KindT | None:
    if text is None:
        return None
    written = text.casefold().replace(" ", "_").replace("-", "_")
    for member in kind:
        if member.value.casefold() == written:
            return member
    raise ValueError(f"{column}: {text!r} is not known: expected {', '.join(member.value for member in kind)}")


def _whole(text: str, column: str) -> int:
    if not text.isdecimal() or len(text) > 9:
        raise ValueError(f"{column}: {text!r} is no whole number from 0 on")
    return int(text)


def _number(text: str | None, column: str) -> float | None:
    if text is None:
        return None
    try:
        value = float(text)
    except ValueError:
        raise ValueError(f"{column}: {text!r} is no number") from None
    if not -1e9 < value < 1e9:
        raise ValueError(f"{column}: {text!r} is no number that can be used")
    return value


def _time(text: str, column: str, time_zone: str | None) -> datetime:
    try:
        time = datetime.fromisoformat(text)
    except ValueError:
        raise ValueError(f"{column}: {text!r} is no time: write it like 2026-11-25T09:00:00Z") from None
    if not 1970 <= time.year < 2200:
        raise ValueError(f"{column}: {text!r} is not between 1970 and 2200")
    if time.tzinfo is None:
        if time_zone is None:
            raise ValueError(f"{column}: {text!r} has no time zone: write Z behind it, or give --time-zone")
        time = time.replace(tzinfo=_zone(time_zone))
    return time.astimezone(UTC)


def _zone(name: str) -> ZoneInfo:
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, KeyError) as error:
        raise ValueError(f"time zone {name!r} does not exist: write e.g. Europe/Berlin") from error
