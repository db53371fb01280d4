"""Sandboxes of systems that sell labels and track parcels: what the kit asks of each, as small questions."""
# ruff: noqa: ARG002 - sandboxes override the methods, and use the arguments

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any, ClassVar

from connector.model.records import Address
from connector.model.refs import EntityKind, IdempotencyKey, SourceRef
from connector.sdk.operations import BuyLabel, Parcel, Party, TrackShipment, VoidLabel
from connector.sdk.testing.sandbox import NotApplicable, NotTold, Operation, OperationKind, Refused, Sandbox, WithText

Body = dict[str, Any]
"""A shipment or tracker as the system shows it, with its `id`; a change of it is a change of the system's data."""


class CourierSandbox(Sandbox):
    """Answers for labels and for trackers, which are what its one stream yields.

    parcel: one that labels are bought for. carrier: the name of one whose parcels can be tracked.
    number_key, number_form: where a tracker has its tracking number, and how that is written.
    refuses: the fields that are named when the consignee has no country, and when nobody knows the carrier.
    longest_name: characters that are kept of a consignee's name.
    """

    parcel: ClassVar[Parcel]
    carrier: ClassVar[str]
    number_key: ClassVar[str]
    number_form: ClassVar[str]
    refuses: ClassVar[tuple[str, str]]
    longest_name: ClassVar[int]

    def trackers(self) -> Mapping[str, Body]:
        """All trackers by their ids."""
        raise NotTold("trackers()")

    def add_tracker(self, number: str, at: datetime) -> Body:
        """A tracker, made at `at`, of a parcel of `carrier` that somebody else sent."""
        raise NotTold("add_tracker(number, at)")

    def scan(self, tracker: Body, at: datetime) -> None:
        """The parcel goes on its way."""
        raise NotTold("scan(tracker, at)")

    def spoil(self, tracker: Body) -> None:
        """Make the time of the tracker's latest scan one that cannot be read."""
        raise NotTold("spoil(tracker)")

    def bought(self, key: IdempotencyKey) -> Body:
        """A shipment with a label, as if the adapter had bought it with this key."""
        raise NotTold("bought(key)")

    def pick_up(self, shipment: Body) -> None:
        """The carrier fetches the parcel of a bought shipment."""
        raise NotTold("pick_up(shipment)")

    def labels_of(self, key: IdempotencyKey) -> Sequence[Body]:
        """Shipments of this key that have a label, void ones included."""
        raise NotTold("labels_of(key)")

    def is_void(self, shipment: SourceRef) -> bool:
        """Whether a shipment's label was handed back."""
        raise NotTold("is_void(shipment)")

    def consignee(self, shipment: Body) -> str:
        """The name of whoever gets the parcel."""
        raise NotTold("consignee(shipment)")

    def new_number(self) -> str:
        """A tracking number that has no tracker yet."""
        return self.number_form.format(len(self.trackers()))

    def tracker(self, at: datetime) -> Body:
        """A tracker of a parcel that somebody else sent."""
        return self.add_tracker(self.new_number(), at)

    # Pulls

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
        """Trackers of parcels that somebody else sent."""
        return tuple(shipment_ref(self.tracker(at + step * number)) for number in range(count))

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """A further scan."""
        self.scan(self.trackers()[ref.external_id], at)

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """Trackers are removed, parcels are not."""
        raise NotApplicable("to remove a tracker ends the reports on a parcel, it is there all the same")

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        """A scan at no time."""
        tracker = self.tracker(at)
        self.spoil(tracker)
        return shipment_ref(tracker)

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        """A tracker with a status and a column of a later release."""
        tracker = self.tracker(at)
        tracker |= {"status": "teleported", "altitude_m": 400_000}
        return shipment_ref(tracker)

    # Ships, TracksShipments

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """On a parcel of its own."""
        if kind is BuyLabel:
            return BuyLabel(key, self.parcel, "INC-1001")
        if kind is VoidLabel:
            return VoidLabel(key, shipment_ref(self.bought(f"{key}:bought")))
        if kind is TrackShipment:
            return TrackShipment(key, self.new_number(), self.carrier)
        return super().operation(kind, key)

    def effects(self, operation: Operation) -> int:
        """Told by shipments and trackers."""
        match operation:
            case BuyLabel():
                return len(self.labels_of(operation.key))
            case VoidLabel():
                return int(self.is_void(operation.shipment))
            case TrackShipment():
                return [each[self.number_key] for each in self.trackers().values()].count(operation.tracking_number)
            case _:
                return super().effects(operation)

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """A consignee without a country, a carrier that nobody knows."""
        recipient, carrier = self.refuses
        if kind is BuyLabel:
            nowhere = replace(self.parcel, recipient=Party("Site", Address(city="Atlantis")))
            return Refused(BuyLabel(key, nowhere, "INC-1001"), recipient)
        if kind is TrackShipment:
            return Refused(TrackShipment(key, self.new_number(), "pigeon"), carrier)
        raise NotApplicable("a label that cannot be voided is a conflict, no mistake of the request")

    def void_of_used_label(self, key: IdempotencyKey) -> VoidLabel:
        """The parcel has been picked up."""
        shipment = self.bought(f"{key}:bought")
        self.pick_up(shipment)
        return VoidLabel(key, shipment_ref(shipment))

    def longest_text(self, operation: WithText) -> int:
        """Of the consignee's name."""
        return self.longest_name

    def stored_text(self, operation: WithText) -> str:
        """The consignee's name."""
        return self.consignee(self.labels_of(operation.key)[0])


def shipment_ref(body: Mapping[str, Any]) -> SourceRef:
    """What a shipment or tracker is called in the hub."""
    return SourceRef(kind=EntityKind.SHIPMENT, external_id=body["id"])
