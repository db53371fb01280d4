"""A parcel of the book as a label. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from connector.sdk import Party
from connector.sdk.labels import Label, draw_label
from connector_manual_courier.book import Entry
from connector_manual_courier.config import ManualCourierConfig
from connector_manual_courier.reports import Link


def label_document(entry: Entry, config: ManualCourierConfig) -> bytes:
    """The file, in the format that was asked for; the same for the same settings."""
    parcel, secret = entry.op.parcel, config.proof_secret
    code, hint = entry.number, ""
    if config.report_address is not None and secret is not None:
        code = f"{config.report_address}?{Link(entry.number).query(secret)}"
        hint = "Scan to say where this parcel is."
    arrives = entry.arrives_at.astimezone(config.zone)
    label = Label(
        carrier=entry.carrier,
        service=f"{entry.service}, by {arrives:%a %d %b %H:%M}",
        number=entry.number,
        code=code,
        sender=tuple(_lines(parcel.sender)),
        recipient=tuple(_lines(parcel.recipient)),
        remarks=(entry.op.reference, f"{parcel.weight_g / 1000:.1f} kg", parcel.description),
        stamp="RETURN" if entry.op.is_return else "",
        hint=hint,
    )
    return draw_label(label, entry.op.label_format, dots_per_mm=config.dots_per_mm)


def _lines(party: Party) -> Iterator[str]:
    """A party as a postal address has it, and where it is when nobody knows the street."""
    at = party.address
    yield party.name
    if party.company and party.company != party.name:
        yield party.company
    town = " ".join(filter(None, (at.postal_code, at.city)))
    yield from filter(None, (at.line1, at.line2, ", ".join(filter(None, (town, at.state))), at.country))
    if at.line1 is None and party.point is not None:
        yield f"{party.point.latitude:.5f}, {party.point.longitude:.5f}"
    if at.phone:
        yield at.phone
