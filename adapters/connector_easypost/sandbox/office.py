"""SANDBOX: the shipments, trackers and pickups that the sandbox of EasyPost keeps, as the bodies that it answers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from connector.sdk import Clock
from connector_easypost.sandbox import bodies
from connector_easypost.sandbox.labels import MEDIA, draw

ACCOUNTS = {"ca_sandpost": "SandPost", "ca_sandexpress": "SandExpress"}
SERVICES = (
    ("ca_sandpost", "Ground", Decimal("4.10"), Decimal("0.021"), 3),
    ("ca_sandpost", "Priority", Decimal("7.42"), Decimal("0.034"), 2),
    ("ca_sandexpress", "Overnight", Decimal("19.90"), Decimal("0.080"), 1),
)
"""Account, service, price, price of an ounce, days."""
CARRIERS = frozenset(ACCOUNTS.values())
STORE = "files.easypost.test"
"""Where the sandbox's labels lie; S3 for the real ones."""
LONGEST = 70
"""Characters of a name. The real limit is the carrier's and not documented."""


class Refusal(Exception):  # noqa: N818 - an answer of the sandbox, not a failure
    """The sandbox refuses a request, in EasyPost's words."""

    def __init__(self, status: int, code: str, message: str, field: str | None = None) -> None:
        super().__init__(message)
        self.status = status
        errors = [{"field": field, "message": message}] if field else []
        self.body = {"error": {"code": code, "message": message, "errors": errors}}


class Office:
    """Everything that the sandbox knows, and the events that webhooks would tell of."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = 0
        self.shipments: dict[str, dict[str, Any]] = {}
        self.trackers: dict[str, dict[str, Any]] = {}
        self.pickups: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.events: list[dict[str, Any]] = []
        self.scheme = "http"

    def new_id(self, kind: str) -> str:
        """An id in EasyPost's form."""
        self._count += 1
        return f"{kind}_{self._count:032x}"

    def create_shipment(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A draft with offers. A second one with the same reference is made as readily as the first."""
        for name in ("to_address", "from_address"):
            self._require_address(asked.get(name), name)
        if not (asked.get("parcel") or {}).get("weight"):
            raise Refusal(422, "PARAMETER.REQUIRED", "Missing required parameter.", "parcel.weight")
        unknown = [each for each in asked.get("carrier_accounts") or () if each not in ACCOUNTS]
        if unknown:
            raise Refusal(422, "CARRIER_ACCOUNT.INVALID", f"Carrier account {unknown[0]} is not valid.")
        number = self.new_id("shp")
        ids = (self.new_id("adr"), self.new_id("adr"), self.new_id("prcl"))
        shipment = bodies.draft(number, asked, ids, self._clock.now())
        self.shipments[number] = shipment
        shipment["rates"] = self._rates(shipment, asked.get("carrier_accounts") or list(ACCOUNTS))
        if asked["to_address"]["country"] != asked["from_address"]["country"]:
            shipment["messages"] = [
                {"carrier": "SandPost", "type": "rate_error", "message": "customs_info is required",
                 "carrier_account_id": "ca_sandpost"}
            ]  # fmt: skip
            shipment["rates"] = [each for each in shipment["rates"] if each["carrier"] != "SandPost"]
        return shipment

    def shipment(self, wanted: str) -> dict[str, Any]:
        """By id, or the newest by reference or tracking code. Raises Refusal."""
        if wanted in self.shipments:
            return self.shipments[wanted]
        for shipment in reversed(self.shipments.values()):
            if wanted in (shipment["reference"], shipment["tracking_code"]):
                return shipment
        raise Refusal(404, "NOT_FOUND", "The requested resource could not be found.")

    def rerate(self, shipment: dict[str, Any]) -> dict[str, Any]:
        """New offers; the ids of the old ones are good for nothing any more."""
        accounts = sorted({each["carrier_account_id"] for each in shipment["rates"]} or ACCOUNTS)
        shipment["rates"] = self._rates(shipment, accounts)
        return {"rates": shipment["rates"]}

    def buy(self, shipment: dict[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
        """Buy an offer. Raises Refusal when it was bought already."""
        if shipment["postage_label"]:
            raise Refusal(422, "SHIPMENT.POSTAGE.EXISTS", "Postage already exists for this shipment.")
        rate = next((each for each in shipment["rates"] if each["id"] == (asked.get("rate") or {}).get("id")), None)
        if rate is None:
            raise Refusal(422, "SHIPMENT.MISSING_RATE", "The rate could not be found.", "rate")
        self._count += 1
        shipment["tracking_code"] = f"94{self._count:020d}"
        shipment["selected_rate"] = rate
        # the format that was asked for may be none that the carrier draws: then it is the default
        drawn = str(shipment["options"].get("label_format") or "PNG")
        drawn = drawn if drawn in MEDIA else "PNG"
        url = self._store(shipment, drawn)
        shipment["postage_label"] = bodies.label(self.new_id("pl"), url, MEDIA[drawn], self._clock.now())
        shipment["tracker"] = self.add_tracker(shipment["tracking_code"], rate["carrier"], shipment_id=shipment["id"])
        self._changed(shipment)
        return shipment

    def convert(self, shipment: dict[str, Any], file_format: str) -> dict[str, Any]:
        """Draw the label in another format, beside the one that there is."""
        if not shipment["postage_label"]:
            raise Refusal(422, "SHIPMENT.POSTAGE.REQUIRED", "Postage is required.")
        if file_format not in MEDIA:
            raise Refusal(422, "SHIPMENT.POSTAGE.INVALID_FORMAT", "The format is invalid.", "file_format")
        shipment["postage_label"][f"label_{file_format.lower()}_url"] = self._store(shipment, file_format)
        return shipment

    def refund(self, shipment: dict[str, Any]) -> dict[str, Any]:
        """Hand a label back. Raises Refusal for one that the carrier has scanned."""
        if not shipment["postage_label"]:
            raise Refusal(422, "SHIPMENT.POSTAGE.REQUIRED", "Postage is required.")
        if shipment["refund_status"] in ("submitted", "refunded"):
            raise Refusal(422, "SHIPMENT.REFUND.UNAVAILABLE", "Shipment has already been submitted for refund.")
        if shipment["tracker"]["status"] not in ("unknown", "pre_transit"):
            raise Refusal(422, "SHIPMENT.REFUND.UNAVAILABLE", "Refund is not available: the label has been scanned.")
        shipment["refund_status"] = "submitted"
        self._changed(shipment)
        return shipment

    def add_tracker(
        self, code: str, carrier: str, at: datetime | None = None, shipment_id: str | None = None
    ) -> dict[str, Any]:
        """Have a carrier report; asked again, the tracker that there is. Raises Refusal for an unknown carrier."""
        if carrier not in CARRIERS:
            raise Refusal(422, "TRACKER.UNSUPPORTED_CARRIER", f"The carrier {carrier} is not supported.", "carrier")
        for tracker in self.trackers.values():
            if (tracker["tracking_code"], tracker["carrier"]) == (code, carrier):
                return tracker
        number = self.new_id("trk")
        self.trackers[number] = bodies.tracker(number, code, carrier, shipment_id, at or self._clock.now())
        self._tell("tracker.created", self.trackers[number])
        return self.trackers[number]

    def scan(
        self, tracker: dict[str, Any], status: str, detail: str, city: str | None, at: datetime | None = None
    ) -> None:
        """A scan of the parcel, oldest first, as EasyPost keeps them."""
        when = at or self._clock.now()
        tracker["tracking_details"].append(bodies.scan(status, detail, "Scanned", city, tracker["carrier"], when))
        tracker |= {"status": status, "status_detail": detail, "updated_at": bodies.written(when)}
        self._tell("tracker.updated", tracker)

    def create_pickup(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A pickup with offers of the carrier whose label the shipment has."""
        for name in ("min_datetime", "max_datetime"):
            if not asked.get(name):
                raise Refusal(422, f"PICKUP.{name.upper()}.REQUIRED", "Missing required parameter.", name)
        if asked["max_datetime"] < asked["min_datetime"]:
            raise Refusal(422, "PICKUP.REQUEST.INVALID", "max_datetime must be after min_datetime", "max_datetime")
        self._require_address(asked.get("address"), "address")
        shipment = self.shipment((asked.get("shipment") or {}).get("id") or "")
        if not shipment["selected_rate"]:
            raise Refusal(422, "PICKUP.REQUEST.INVALID", "The shipment has no postage.", "shipment")
        number, now = self.new_id("pickup"), self._clock.now()
        place = bodies.address(self.new_id("adr"), asked["address"], now)
        carrier = shipment["selected_rate"]["carrier"]
        self.pickups[number] = bodies.pickup(number, asked, place, self.new_id("pickuprate"), carrier, now)
        return self.pickups[number]

    def pickup(self, wanted: str) -> dict[str, Any]:
        """By id, or the newest by reference. Raises Refusal."""
        for pickup in reversed(self.pickups.values()):
            if wanted in (pickup["id"], pickup["reference"]):
                return pickup
        raise Refusal(404, "NOT_FOUND", "The requested resource could not be found.")

    def buy_pickup(self, pickup: dict[str, Any], asked: Mapping[str, Any]) -> dict[str, Any]:
        """Order a pickup, by carrier and service."""
        if pickup["status"] != "unknown":
            raise Refusal(422, "PICKUP.STATUS.INVALID", f"Pickup is {pickup['status']}.")
        wanted = (asked.get("carrier"), asked.get("service"))
        if wanted not in [(each["carrier"], each["service"]) for each in pickup["pickup_rates"]]:
            raise Refusal(422, "PICKUP.BUY.NO_MATCHING_RATES", "No matching rates.", "service")
        pickup |= {"status": "scheduled", "confirmation": f"WTC{len(self.pickups):08d}"}
        return pickup

    def cancel_pickup(self, pickup: dict[str, Any]) -> dict[str, Any]:
        """Call a pickup off."""
        if pickup["status"] != "scheduled":
            raise Refusal(422, "PICKUP.STATUS.INVALID", f"Pickup is {pickup['status']}.")
        pickup["status"] = "canceled"
        return pickup

    def _rates(self, shipment: Mapping[str, Any], accounts: list[str]) -> list[dict[str, Any]]:
        weight = Decimal(str(shipment["parcel"]["weight"]))
        stamp = shipment["created_at"]
        found = []
        for account, service, price, per_ounce, days in SERVICES:
            if account not in accounts:
                continue
            amount = str((price + per_ounce * weight).quantize(Decimal("0.01"), ROUND_HALF_UP))
            found.append(
                {"id": self.new_id("rate"), "object": "Rate", "created_at": stamp, "updated_at": stamp, "mode": "test",
                 "service": service, "carrier": ACCOUNTS[account], "rate": amount, "currency": "USD",
                 "retail_rate": amount, "retail_currency": "USD", "list_rate": amount, "list_currency": "USD",
                 "billing_type": "easypost", "delivery_days": days, "delivery_date": None,
                 "delivery_date_guaranteed": False, "est_delivery_days": days, "shipment_id": shipment["id"],
                 "carrier_account_id": account}
            )  # fmt: skip
        return found

    def _store(self, shipment: Mapping[str, Any], file_format: str) -> str:
        name = f"{shipment['id']}.{file_format.lower()}"
        self.files[name] = draw(shipment, file_format)
        return f"{self.scheme}://{STORE}/files/postage_label/20261125/{name}"

    def _require_address(self, asked: Any, name: str) -> None:
        if not isinstance(asked, dict) or not asked.get("country"):
            raise Refusal(422, "ADDRESS.COUNTRY.INVALID", "Invalid 'country', please provide a 2 character ISO", name)
        if len(asked.get("name") or "") > LONGEST:
            raise Refusal(422, "ADDRESS.PARAMETERS.INVALID", f"name is longer than {LONGEST}", f"{name}.name")

    def _changed(self, body: dict[str, Any]) -> None:
        body["updated_at"] = bodies.written(self._clock.now())

    def _tell(self, description: str, result: Mapping[str, Any]) -> None:
        self.events.append(bodies.event(self.new_id("evt"), description, copy.deepcopy(result), self._clock.now()))
