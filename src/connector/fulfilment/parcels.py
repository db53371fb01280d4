"""From a consignment to a parcel, and from a courier's offers to one of them. Pure."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import TypeAlias

from connector.model.errors import InvalidInput
from connector.rules.arrival.lanes import Offer, business_transit, service_key
from connector.rules.arrival.schedules import schedules
from connector.rules.arrival.timetable import instant_of, minute_at_or_after
from connector.rules.facts.ticket import SiteFacts
from connector.rules.policy.document import Sourcing
from connector.sdk import Parcel, Party, Quote
from connector.storage.shipments.consignments import Consignment, Place

HandOver: TypeAlias = Callable[[datetime], datetime | None]
"""When what is near a site at a moment is handed over there; None for never."""


def parcel_of(goods: Consignment, *, default_weight_g: int) -> Parcel:
    """The parcel that a courier is asked to carry.

    The weight is that of everything in it. The size is declared for a single unit without a kit only: nobody knows how
    several things are packed.
    Raises InvalidInput naming the address that is missing.
    """
    destination = goods.destination
    if destination is None:
        raise InvalidInput(
            f"ticket {goods.ticket.number!r} names no site that is known, so there is no address to send to",
            hint="Set the ticket's site, or the place of its device.",
        )
    unit = goods.goods
    along = [line for line in goods.kit if line.lane is not None]
    single = unit.quantity == 1 and not along
    weight_g = (unit.weight_g or default_weight_g) * unit.quantity
    weight_g += sum((line.weight_g or 0) * line.quantity for line in along)
    return Parcel(
        sender=_party(goods.hub, "hub"),
        recipient=_party(destination, "site" if goods.to_hub is None else "hub"),
        weight_g=weight_g,
        length_mm=unit.length_mm if single else None,
        width_mm=unit.width_mm if single else None,
        height_mm=unit.height_mm if single else None,
        description=f"{unit.label} with kit" if along and goods.to_hub is None else goods.label,
    )


def lane_parcel(hub: Place, site: Place, *, weight_g: int) -> Parcel:
    """A parcel of that weight, to ask what a lane takes and costs. Raises InvalidInput naming an address that lacks."""
    return Parcel(
        sender=_party(hub, "hub"), recipient=_party(site, "site"), weight_g=weight_g, description="IT hardware"
    )


def hand_over_at(site: Place | None, sourcing: Sourcing, now: datetime) -> HandOver:
    """When a site takes what a courier brings, as decisions have it: delivery hours, access hours, days off.

    One that is not known, or whose hours cannot be read, takes it at any time.
    """
    if site is None:
        return _at_any_time
    facts = SiteFacts(
        site.id,
        site.name,
        site.code,
        time_zone=site.time_zone,
        country=site.country,
        state=site.address.state,
        access_hours=site.access_hours,
    )
    try:
        hours = schedules(sourcing, minute_at_or_after(now)).at_site(facts)
    except ValueError:
        return _at_any_time

    def taken(near: datetime) -> datetime | None:
        at = hours.handed_over(minute_at_or_after(near))
        return None if at is None else instant_of(at)

    return taken


def _at_any_time(near: datetime) -> datetime:
    return near


def choose_offer(
    offers: Sequence[Quote],
    *,
    leaves: datetime,
    due_at: datetime | None,
    taken: HandOver = _at_any_time,
    time_zone: str = "UTC",
) -> Quote | None:
    """The cheapest offer that arrives in time; failing that the one that arrives first; None without offers.

    leaves: when the parcel leaves the hub, which days of transit count from; time_zone: of the hub. taken: when the
    site takes what comes then, see `hand_over_at`. An offer that does not say when it arrives, or that nobody would
    ever take in, comes after all others.
    """
    if not offers:
        return None

    def rank(offer: Quote) -> tuple[bool, bool, datetime, int, str, str]:
        arrives = _arrival(offer, leaves, time_zone)
        if arrives is not None:
            arrives = taken(arrives)
        if arrives is None:
            return True, True, leaves, offer.amount_cents, offer.carrier, offer.service
        in_time = due_at is not None and arrives <= due_at
        return False, not in_time, leaves if in_time else arrives, offer.amount_cents, offer.carrier, offer.service

    return min(offers, key=rank)


def lane_offers(offers: Sequence[Quote], *, now: datetime, leaves: datetime) -> list[Offer]:
    """What the offers say of the lane itself: transit from the departure, price. Those without a time say nothing.

    leaves: when the parcel leaves the hub; before that an offer's time is waiting, not transit.
    """
    found = []
    for offer in offers:
        if offer.estimated_delivery_at is not None:
            transit = offer.estimated_delivery_at - leaves
        elif offer.transit_days is not None:
            transit = timedelta(days=offer.transit_days)
        else:
            continue
        minutes = max(0, -(-transit // timedelta(minutes=1)))
        service = service_key(offer.carrier, offer.service)
        days = offer.transit_days if offer.estimated_delivery_at is None else None
        found.append(Offer(service, minutes, offer.amount_cents, offer.currency, now, days))
    return found


def _arrival(offer: Quote, leaves: datetime, time_zone: str) -> datetime | None:
    if offer.estimated_delivery_at is not None:
        return offer.estimated_delivery_at
    if offer.transit_days is None:
        return None
    minutes = business_transit(offer.transit_days, minute_at_or_after(leaves), time_zone)
    return leaves + timedelta(minutes=minutes)


def _party(place: Place, what: str) -> Party:
    if place.address.country is None:
        raise InvalidInput(
            f"{what} {place.label!r} has no country in its address, so no courier can be asked",
            hint=f"Complete the {what}'s address at its source.",
        )
    return Party(name=place.address.contact or place.name, company=place.name, address=place.address, point=place.point)
