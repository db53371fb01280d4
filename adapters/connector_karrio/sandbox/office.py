"""SANDBOX: the shipments and trackers that the sandbox of Karrio keeps, as the bodies that it answers.

In memory; with a path also in a JSON file, from which the next start resumes. After a purchase a parcel goes its
journey by the clock: that is the sandbox's own doing, for demos without couriers.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

from connector.sdk import Clock
from connector_karrio.sandbox import bodies
from connector_karrio.sandbox.tariff import CARRIERS, offers

REPORTERS = (*CARRIERS, "dhl_universal")
"""Carriers that can be asked about parcels; `generic` is known too, and cannot."""
TRACKER_STATUSES = (
    "pending", "picked_up", "unknown", "on_hold", "cancelled", "delivered", "in_transit", "delivery_delayed",
    "out_for_delivery", "ready_for_pickup", "delivery_failed", "return_to_sender",
)  # fmt: skip
SHIPMENT_STATUSES = (
    "draft", "created", "cancelled", "shipped", "in_transit", "delivered", "needs_attention", "out_for_delivery",
    "delivery_failed",
)  # fmt: skip
OF_TRACKER = {
    "delivered": "delivered", "picked_up": "shipped", "out_for_delivery": "out_for_delivery",
    "delivery_failed": "delivery_failed", "on_hold": "needs_attention", "delivery_delayed": "needs_attention",
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Leg:
    """A scan that comes so long after the purchase. at: `shipper` or `recipient`, whose town it is in."""

    after: timedelta
    status: str
    description: str
    at: str = "shipper"


DEMO_JOURNEY = (
    Leg(timedelta(seconds=15), "picked_up", "Picked up by the courier"),
    Leg(timedelta(seconds=30), "in_transit", "In transit"),
    Leg(timedelta(seconds=60), "out_for_delivery", "Out for delivery", "recipient"),
    Leg(timedelta(seconds=90), "delivered", "Delivered", "recipient"),
)
"""A day of a parcel in a minute and a half."""


class Refusal(Exception):  # noqa: N818 - an answer of the sandbox, not a failure
    """The sandbox refuses a request, in Karrio's words. level: warning for what is not found."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.body = {"errors": [{"code": code, "level": "warning" if status == 404 else "error", "message": message}]}


class Office:
    """Shipments, trackers, and the events that webhooks tell of."""

    def __init__(self, clock: Clock, *, journey: Sequence[Leg] = (), path: Path | None = None) -> None:
        self._clock = clock
        self._journey = tuple(journey)
        self._path = path
        self._count = 0
        self.shipments: dict[str, dict[str, Any]] = {}
        self.trackers: dict[str, dict[str, Any]] = {}
        self.pickups: dict[str, dict[str, Any]] = {}
        self.made_at: dict[str, datetime] = {}
        self.outbox: list[dict[str, Any]] = []
        if path and path.exists():
            self._load(json.loads(path.read_text()))

    def new_id(self, kind: str) -> str:
        """An id in Karrio's form."""
        self._count += 1
        return f"{kind}_{self._count:032x}"

    def rates(self, body: Mapping[str, Any]) -> list[dict[str, Any]]:
        """Offers. Raises Refusal when no such carrier is connected."""
        if body.get("carrier_ids") and not set(body["carrier_ids"]) & set(CARRIERS):
            raise Refusal(404, "not_found", "No active carrier connection found to process the request")
        return offers(body, self.new_id)

    def create_shipment(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A draft with offers."""
        number = self.new_id("shp")
        self.made_at[number] = self._clock.now()
        self.shipments[number] = bodies.draft(number, body, self.rates(body), self.made_at[number])
        return self.shipments[number]

    def purchase(self, shipment: dict[str, Any], body: Mapping[str, Any]) -> dict[str, Any]:
        """Buy an offer. Raises Refusal when the shipment is no draft."""
        if shipment["status"] == "created":
            raise Refusal(409, "state_error", "The shipment is 'created' and cannot be purchased again")
        if shipment["status"] != "draft":
            raise Refusal(409, "state_error", f"Shipment is {shipment['status']} and cannot be updated anymore...")
        if not body.get("selected_rate_id") and not body.get("service"):
            raise Refusal(400, "validation_error", "Either 'selected_rate_id' or 'service' must be provided.")
        keys = [("id", body.get("selected_rate_id")), ("service", body.get("service"))]
        rate = next((r for r in shipment["rates"] for name, wanted in keys if wanted and r[name] == wanted), None)
        if rate is None:
            raise Refusal(400, "service_unavailable", "The service you selected is not available for this shipment.")
        self._count += 1
        number = f"90{self._count:012d}"
        label_type = body.get("label_type") or shipment["label_type"]
        shipment.update(
            status="created", tracking_number=number, shipment_identifier=number, selected_rate=rate,
            selected_rate_id=rate["id"], service=rate["service"], carrier_name=rate["carrier_name"],
            carrier_id=rate["carrier_id"], label_type=label_type,
            tracking_url=f"/v1/trackers/{rate['carrier_name']}/{number}",
            label_url=f"/v1/shipments/{shipment['id']}/label.{label_type.lower()}",
        )  # fmt: skip
        self._tell("shipment_purchased", shipment)
        tracker = self.add_tracker(number, rate["carrier_name"])
        shipment["tracker_id"] = tracker["id"]
        return shipment

    def cancel(self, shipment: dict[str, Any]) -> bool:
        """Void a shipment; whether it was not yet void. Raises Refusal when its parcel is under way."""
        if shipment["status"] == "cancelled":
            return False
        if shipment["status"] not in ("created", "draft"):
            raise Refusal(
                409, "state_error", f"The shipment is '{shipment['status']}' and can not be cancelled anymore..."
            )
        shipment["status"] = "cancelled"
        self._tell("shipment_cancelled", shipment)
        self.trackers.pop(shipment["tracker_id"] or "", None)
        return True

    def schedule(self, body: Mapping[str, Any]) -> dict[str, Any]:
        """A pickup. Raises Refusal when no such carrier is connected or a parcel is none of its own."""
        if body["carrier_code"] not in CARRIERS:
            raise Refusal(404, "not_found", "No active carrier connection found to process the request")
        known = {each["tracking_number"] for each in self.shipments.values() if each["status"] != "cancelled"}
        if unknown := [number for number in body["tracking_numbers"] if number not in known]:
            raise Refusal(
                400, "validation", f"tracking_numbers: shipment with the tracking number {unknown[0]} not found"
            )
        number = self.new_id("pck")
        self.made_at[number] = self._clock.now()
        self.pickups[number] = {
            "id": number, "object_type": "pickup", "status": "scheduled", "carrier_name": body["carrier_code"],
            "carrier_id": body["carrier_code"], "confirmation_number": f"P{self._count:06}", "parcels": [],
            "test_mode": True, **body,
        }  # fmt: skip
        return self.pickups[number]

    def call_off(self, pickup: dict[str, Any]) -> dict[str, Any]:
        """Cancel a pickup. Raises Refusal when the carrier was there, or it is called off already."""
        if pickup["status"] != "scheduled":
            raise Refusal(409, "state_error", f"The pickup is '{pickup['status']}' and can not be cancelled anymore...")
        pickup["status"] = "cancelled"
        return pickup

    def add_tracker(self, number: str, carrier: str, at: datetime | None = None) -> dict[str, Any]:
        """Have a carrier report; asked again, the tracker that there is. Raises Refusal when no carrier can."""
        if carrier == "generic":
            raise Refusal(404, "not_found", "No active carrier connection found to process the request")
        if carrier not in REPORTERS:
            raise Refusal(400, "validation", f'carrier_name: "{carrier}" is not a valid choice.')
        for tracker in self.trackers.values():
            if tracker["tracking_number"] == number:
                return tracker
        tracker_id = self.new_id("trk")
        self.made_at[tracker_id] = at or self._clock.now()
        self.trackers[tracker_id] = bodies.tracker(tracker_id, number, carrier, self.made_at[tracker_id])
        self._tell("tracker_created", self.trackers[tracker_id])
        return self.trackers[tracker_id]

    def scan(
        self, tracker: dict[str, Any], status: str, description: str, location: str | None = None,
        at: datetime | None = None,
    ) -> None:  # fmt: skip
        """A scan of the parcel; newest first, as Karrio keeps them."""
        events = [bodies.scan(status, description, location, at or self._clock.now()), *tracker["events"]]
        tracker["events"] = sorted(events, key=lambda each: str(each["timestamp"]), reverse=True)
        self.set_status(tracker, status)

    def set_status(self, tracker: dict[str, Any], status: str) -> None:
        """The tracker's state, and with it that of the shipment that it was made for."""
        tracker["status"], tracker["delivered"] = status, status == "delivered"
        self._tell("tracker_updated", tracker)
        for shipment in self.shipments.values():
            if shipment["tracker_id"] == tracker["id"] and status != "pending":
                shipment["status"] = OF_TRACKER.get(status, "in_transit")

    def advance(self) -> None:
        """Let all parcels go as far as the clock has come."""
        now = self._clock.now()
        for shipment in self.shipments.values():
            tracker = self.trackers.get(shipment["tracker_id"] or "")
            if tracker is None:
                continue
            seen = {each["code"] for each in tracker["events"]}
            for leg in self._journey:
                due = self.made_at[tracker["id"]] + leg.after
                if due <= now and leg.status.upper() not in seen:
                    self.scan(tracker, leg.status, leg.description, shipment[leg.at].get("city"), due)

    def take_outbox(self) -> list[dict[str, Any]]:
        """The events since the last call; the file is written now."""
        fresh, self.outbox = self.outbox, []
        if fresh:
            self.save()
        return fresh

    def save(self) -> None:
        """Write everything to the file, if there is one."""
        if self._path:
            made_at = {number: at.isoformat() for number, at in self.made_at.items()}
            kept = {"count": self._count, "shipments": self.shipments, "trackers": self.trackers, "made_at": made_at}
            partial = self._path.with_suffix(".part")
            partial.write_text(json.dumps(kept))
            os.replace(partial, self._path)

    def _load(self, kept: dict[str, Any]) -> None:
        self._count, self.shipments, self.trackers = kept["count"], kept["shipments"], kept["trackers"]
        self.made_at = {number: datetime.fromisoformat(at) for number, at in kept["made_at"].items()}

    def _tell(self, event: str, data: Mapping[str, Any]) -> None:
        self.outbox.append({"event": event, "data": copy.deepcopy(data)})
