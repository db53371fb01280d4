"""What tickets and people are told. Pure; times are given in the site's time zone, plain text throughout."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final
from zoneinfo import ZoneInfo

from connector.model.kinds import Tracking
from connector.model.lifecycle import RecoveryState
from connector.rules.policy.document import Mode
from connector.storage.approvals.approvals import ApprovalRow
from connector.storage.shipments.consignments import Consignment
from connector.storage.shipments.recoveries import RecoveryRow
from connector.storage.shipments.shipments import ShipmentRow
from connector.storage.tickets.rmas import RmaRow


def sent_note(goods: Consignment, shipment: ShipmentRow | None) -> str:
    """Tells the ticket what is coming, from where, and when."""
    lines = [
        "A unit on loan is on its way. The replacement follows." if goods.loan else "A replacement is on its way.",
        "",
        f"Device: {_device(goods)}",
        *_part(goods),
        f"From: {goods.hub.label}",
        f"To: {goods.site.label if goods.site else 'not known'}",
        f"Expected: {arrival_text(goods, shipment)}",
    ]
    if goods.mode is Mode.DRIVE:
        lines.append("Transport: brought by our own people, no courier")
    elif goods.mode is Mode.TECHNICIAN:
        lines.append("Transport: collected at the hub by a technician, no courier")
    elif shipment is not None:
        lines.append(f"Carrier: {_carrier(shipment)}")
        lines.append(f"Tracking: {_tracking(shipment)}")
    if goods.loan:
        days = "1 day" if goods.loan.return_days == 1 else f"{goods.loan.return_days} days"
        by = _local(goods.loan.due_back_at, goods)
        lines.append(f"Due back: {days} after the replacement is there, by {by} as things stand")
    if goods.taken_from:
        lines.append(f"Taken over from ticket {goods.taken_from}, which is less urgent and is served anew")
    lines.append(f"Reference: reservation {goods.reservation_id}")
    return "\n".join(lines)


def _part(goods: Consignment) -> list[str]:
    """How many of how many, where that is not all that the ticket needs."""
    if goods.rollout_line_id is not None or goods.units_needed <= goods.goods.quantity:
        return []
    return [f"Units: {goods.goods.quantity} of {goods.units_needed} that this ticket needs"]


def withdrawn_note(goods: Consignment, reason: str, *, label_was_voided: bool, is_under_way: bool) -> str:
    """Tells the ticket that what it was told of does not come."""
    what = f"The {_kind(goods)} announced earlier ({_device(goods)} from {goods.hub.label})"
    lines = [f"{what} was called back.", "", f"Reason: {reason}"]
    if is_under_way:
        lines[0] = f"{what} is no longer needed, but is already under way."
        lines.append("Our logistics team has it brought back.")
    if label_was_voided:
        lines.append("The courier's label was cancelled.")
    lines.append(f"Reference: reservation {goods.reservation_id}")
    return "\n".join(lines)


def given_away_note(goods: Consignment, reason: str, *, label_was_voided: bool, is_under_way: bool) -> str:
    """Tells the ticket that its unit went to another one, and what follows."""
    what = f"The spare that was reserved for this ticket ({_device(goods)} from {goods.hub.label})"
    lines = [f"{what} goes to ticket {goods.given_to}, which is more urgent.", "", f"Reason: {reason}"]
    if is_under_way:
        lines.append("The courier has it already: our logistics team decides whether it is brought back.")
    if label_was_voided:
        lines.append("The courier's label was cancelled.")
    lines.append("What this ticket needs is sourced anew.")
    lines.append(f"Reference: reservation {goods.reservation_id}")
    return "\n".join(lines)


def delivered_note(goods: Consignment, shipment: ShipmentRow) -> str:
    """Tells the ticket that the parcel has arrived."""
    at = f" at {_local(shipment.delivered_at, goods)}" if shipment.delivered_at else ""
    return (
        f"The {_kind(goods)} was delivered{at}.\n\nDevice: {_device(goods)}\n"
        f"Tracking: {_tracking(shipment)}\nReference: reservation {goods.reservation_id}"
    )


def asked_note(row: ApprovalRow) -> str:
    """Tells the ticket what is waited for, from whom, and until when."""
    people = f"{row.needed} of " if row.needed > 1 else ""
    return (
        f"What this ticket needs waits for approval.\n\n{row.title}\n"
        f"Asked: {people}{' or '.join(row.roles)}\nUntil: {_utc(row.deadline_at)}\nReference: approval {row.id}"
    )


def refused_note(row: ApprovalRow) -> str:
    """Tells the ticket that an approval was refused, by whom and why."""
    return (
        f"An approval was refused.\n\n{row.title}\nBy: {row.decided_by or 'nobody'}\n"
        f"Reason: {row.reason or 'none was given'}\nReference: approval {row.id}"
    )


def waived_note(row: ApprovalRow) -> str:
    """Tells the ticket that what it needs goes on without the approval that it waited for."""
    return (
        f"An approval is not needed any more.\n\n{row.title}\nReason: {row.reason or 'none was given'}\n"
        f"Reference: approval {row.id}"
    )


TOLD: Final = frozenset({RecoveryState.ASKED, RecoveryState.SOURCED, RecoveryState.RETURNING})
"""States of a recovery that the ticket is told of; of the others it hears by itself."""


def recovery_note(row: RecoveryRow, first: Consignment, second: Consignment | None) -> str:
    """Tells the ticket that what was sent is in trouble, and what is done about it."""
    what = f"The replacement sent earlier ({_device(first)} from {first.hub.label})"
    lines = [f"{what} is in trouble: {row.trouble.value}.", "", row.reason]
    if row.state is RecoveryState.RETURNING:
        lines = [f"{what} has turned up after all and is brought back: a second unit was sent instead."]
    elif second is not None:
        lines.append(f"A second unit is sent: {_device(second)} from {second.hub.label}.")
    else:
        lines.append("Our logistics team has been asked to see to it.")
    lines.append(f"Reference: reservation {first.reservation_id}")
    return "\n".join(lines)


def return_note(row: RmaRow, headline: str, *, due_back_at: datetime, reason: str | None = None) -> str:
    """Tells the ticket which unit goes back, where to and until when; of one that is over, that it is."""
    lines = [headline, "", f"Device: {row.goods}"]
    if row.is_open:
        lines.append(f"From: {row.site or 'the site of this ticket'}")
        lines.append(f"To: {f'hub {row.hub}' if row.hub else 'a hub that our logistics team names'}")
        lines.append(f"Due back: {_at_site(due_back_at, row.time_zone)}")
        if row.asset_id is None and row.tracking is Tracking.SERIALISED:
            lines.append("Nobody has told us yet which device it is: please set it on this ticket.")
    if reason:
        lines.append(f"Reason: {reason}")
    return "\n".join([*lines, f"Reference: {row.number}"])


def pickup_title(goods: Consignment) -> str:
    """The heading of a pickup task."""
    if goods.to_hub is not None:
        return f"Pick {goods.label} for hub {goods.to_hub.label} ({goods.ticket.number})"
    return f"Pick {goods.goods.label} for ticket {goods.ticket.number}{', on loan' if goods.loan else ''}"


def pickup_instructions(goods: Consignment, shipment: ShipmentRow | None) -> str:
    """What to do with what was picked."""
    destination = goods.destination.label if goods.destination else "the site of the ticket"
    if goods.mode is Mode.TECHNICIAN:
        how = f"Pick and check the unit at {goods.hub.label}; a technician collects it for {destination}."
    elif goods.mode is Mode.DRIVE or shipment is None:
        how = f"Pick and check the unit at {goods.hub.label} and take it to {destination}."
    else:
        how = (
            f"Pick, check and pack the unit at {goods.hub.label}, attach the label of "
            f"{_carrier(shipment)} {shipment.tracking_number} and hand it to the courier for {destination}."
        )
    lent = "It is lent: put a return label into the parcel, it is due back here." if goods.loan else None
    return "\n".join(filter(None, (how, lent, goods.kit_instructions)))


def packing_list(goods: Consignment) -> list[dict[str, Any]]:
    """What goes into the parcel: the device first, then what its kit brings."""
    device = {
        "product": f"{goods.goods.manufacturer} {goods.goods.model}",
        "part_number": goods.goods.part_number,
        "quantity": goods.goods.quantity,
        "serial": goods.goods.serial,
        "asset_tag": goods.goods.asset_tag,
        "is_device": True,
    }
    kit = [
        {
            "product": line.product,
            "part_number": line.part_number,
            "quantity": line.quantity,
            "serial": line.serial,
            "asset_tag": line.asset_tag,
            "is_device": goods.to_hub is not None,
        }
        for line in goods.kit
    ]
    return [device, *kit]


def placeholders(goods: Consignment, shipment: ShipmentRow | None) -> dict[str, str]:
    """Values for the texts of custom fields."""
    return {
        "reservation": str(goods.reservation_id),
        "shipment": str(shipment.id) if shipment else "",
        "ticket": goods.ticket.number,
        "product": goods.goods.label,
        "serial": goods.goods.serial or "",
        "asset_tag": goods.goods.asset_tag or "",
        "hub": goods.hub.label,
        "site": goods.site.label if goods.site else "",
        "arrival": arrival_text(goods, shipment),
        "carrier": _carrier(shipment) if shipment else "",
        "tracking_number": (shipment.tracking_number if shipment else None) or "",
        "tracking_url": (shipment.tracking_url if shipment else None) or "",
    }


def arrival_text(goods: Consignment, shipment: ShipmentRow | None) -> str:
    """The expected arrival, or that nobody knows it."""
    at = goods.estimated_arrival_at or (shipment.estimated_delivery_at if shipment else None)
    return _local(at, goods) if at else "not known yet"


def _local(at: datetime, goods: Consignment) -> str:
    return _at_site(at, goods.site.time_zone if goods.site else None)


def _at_site(at: datetime, time_zone: str | None) -> str:
    zone = time_zone or "UTC"
    return f"{at.astimezone(ZoneInfo(zone)):%a %d %b %Y, %H:%M} ({zone})"


def _utc(at: datetime) -> str:
    return f"{at:%a %d %b %Y, %H:%M} (UTC)"


def _kind(goods: Consignment) -> str:
    return "unit on loan" if goods.loan else "replacement"


def _device(goods: Consignment) -> str:
    marks = [("serial", goods.goods.serial), ("asset tag", goods.goods.asset_tag)]
    known = ", ".join(f"{name} {value}" for name, value in marks if value)
    return f"{goods.goods.label} ({known})" if known else goods.goods.label


def _carrier(shipment: ShipmentRow) -> str:
    return " ".join(filter(None, (shipment.carrier, shipment.service)))


def _tracking(shipment: ShipmentRow) -> str:
    return " ".join(filter(None, (shipment.tracking_number, shipment.tracking_url))) or "none"
