"""SANDBOX: the shipments, labels and parcels that the sandbox of Shippo keeps, as the bodies that it answers."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

from connector.sdk import Clock, LabelFormat
from connector.sdk.testing import draw_label

OWNER = "hub@example.com"
ACCOUNTS = {"a" * 32: "USPS", "b" * 32: "FedEx"}
TOKENS = {"USPS": "usps", "FedEx": "fedex"}
SERVICES = (
    ("USPS", "usps_ground_advantage", "Ground Advantage", Decimal("4.10"), Decimal("0.0007"), 3),
    ("USPS", "usps_priority", "Priority Mail", Decimal("7.42"), Decimal("0.0012"), 2),
    ("FedEx", "fedex_priority_overnight", "Priority Overnight", Decimal("19.90"), Decimal("0.0028"), 1),
)
"""Carrier, service, its name, price, price of a gram, days."""
STORE = "labels.shippo.test"
LONGEST = 70
"""Characters of a name. The real limit is the carrier's and not documented."""
PICKUP_CARRIERS = frozenset({"USPS"})
VOID = ("REFUNDPENDING", "REFUNDED")


class Refusal(Exception):  # noqa: N818 - an answer of the sandbox, not a failure
    """The sandbox refuses a request, in Shippo's words."""

    def __init__(self, status: int, body: dict[str, Any]) -> None:
        super().__init__(str(body))
        self.status = status
        self.body = body


def written(at: datetime) -> str:
    """A time as Shippo writes it."""
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Office:
    """Everything that the sandbox knows. store: where labels lie."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._count = 0
        self.store = STORE
        self.shipments: dict[str, dict[str, Any]] = {}
        self.rates: dict[str, dict[str, Any]] = {}
        self.transactions: dict[str, dict[str, Any]] = {}
        self.refunds: dict[str, dict[str, Any]] = {}
        self.pickups: dict[str, dict[str, Any]] = {}
        self.tracks: dict[str, dict[str, Any]] = {}
        self.files: dict[str, bytes] = {}
        self.failures: list[dict[str, str]] = []
        """What the carrier answers the next purchases with."""

    def new_id(self) -> str:
        """An id in Shippo's form."""
        self._count += 1
        return f"{self._count:032x}"

    def create_shipment(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """A shipment with offers."""
        for name in ("address_from", "address_to"):
            _require_address(asked.get(name), name)
        parcels = asked.get("parcels") or []
        if not parcels:
            raise Refusal(400, {"parcels": ["This field is required."]})
        for name in ("length", "width", "height", "weight"):
            if not parcels[0].get(name):
                raise Refusal(400, {"parcels": [{name: ["This field is required."]}]})
        sender, recipient = asked["address_from"], asked["address_to"]
        if (asked.get("extra") or {}).get("is_return"):
            sender, recipient = recipient, sender
        number, stamp = self.new_id(), written(self._clock.now())
        own = {"object_owner": OWNER, "object_created": stamp, "object_updated": stamp, "test": True}
        shipment: dict[str, Any] = {
            **own, "object_id": number, "status": "SUCCESS", "messages": [], "metadata": asked.get("metadata", ""),
            "carrier_accounts": asked.get("carrier_accounts") or [], "extra": asked.get("extra") or {},
            "address_from": {**sender, "object_id": self.new_id()},
            "address_to": {**recipient, "object_id": self.new_id()},
            "address_return": {**sender, "object_id": self.new_id()},
            "parcels": [{**parcels[0], **own, "object_id": self.new_id(), "object_state": "VALID"}],
        }  # fmt: skip
        shipment["rates"] = [self._rate(shipment, *service) for service in SERVICES]
        if shipment["carrier_accounts"]:
            wanted = shipment["carrier_accounts"]
            shipment["rates"] = [each for each in shipment["rates"] if each["carrier_account"] in wanted]
        self.shipments[number] = shipment
        return shipment

    def buy(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Buy an offer. What the carrier refuses is answered as any other purchase, with another status."""
        rate = self.rates.get(str(asked.get("rate")))
        if rate is None:
            raise Refusal(400, {"rate": [f"Rate with supplied object_id {asked.get('rate')} not found."]})
        number, stamp = self.new_id(), written(self._clock.now())
        transaction: dict[str, Any] = {
            "id": number, "object_id": number, "object_owner": OWNER, "object_created": stamp, "object_updated": stamp,
            "object_state": "VALID", "status": "SUCCESS", "rate": rate["object_id"], "messages": [], "test": True,
            "metadata": asked.get("metadata", ""), "label_file_type": asked.get("label_file_type") or "PDF",
            "tracking_status": "UNKNOWN",
        }  # fmt: skip
        self.transactions[number] = transaction
        if self.failures:
            transaction |= {"status": "ERROR", "messages": [self.failures.pop(0)]}
            return transaction
        tracking_number = f"92{self._count:020d}"
        transaction |= {
            "tracking_number": tracking_number, "label_url": self._draw(transaction, rate, tracking_number),
            "tracking_url_provider": f"https://carrier.example/{tracking_number}",
        }  # fmt: skip
        self.add_track(TOKENS[rate["provider"]], tracking_number)
        return transaction

    def transaction(self, number: str) -> dict[str, Any]:
        """By its id. Raises Refusal."""
        if number not in self.transactions:
            raise Refusal(404, {"detail": "Not found."})
        return self.transactions[number]

    def refund(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Hand a label back. One whose parcel was scanned is taken all the same, and billed by the carrier."""
        transaction = self.transactions.get(str(asked.get("transaction")))
        if transaction is None:
            raise Refusal(400, {"transaction": ["Transaction not found."]})
        stamp = written(self._clock.now())
        status = "ERROR" if transaction["status"] in VOID else "PENDING"
        transaction["status"] = "REFUNDPENDING"
        refund = {
            "object_id": self.new_id(), "object_owner": OWNER, "object_created": stamp, "object_updated": stamp,
            "status": status, "transaction": transaction["object_id"], "test": True,
        }  # fmt: skip
        self.refunds[refund["object_id"]] = refund
        return refund

    def create_pickup(self, asked: Mapping[str, Any]) -> dict[str, Any]:
        """Have a carrier come. Asked twice, two come."""
        stamp = written(self._clock.now())
        comes = ACCOUNTS.get(asked["carrier_account"]) in PICKUP_CARRIERS
        pickup = {
            **asked, "object_id": self.new_id(), "object_created": stamp, "object_updated": stamp, "is_test": True,
            "status": "CONFIRMED" if comes else "ERROR", "timezone": "US/Central",
            "confirmed_start_time": asked["requested_start_time"], "confirmed_end_time": asked["requested_end_time"],
            "messages": [] if comes else ["The carrier account does not support pickups."],
        }  # fmt: skip
        if comes:
            pickup["confirmation_code"] = f"WTC{self._count:09d}"
        self.pickups[pickup["object_id"]] = pickup
        return pickup

    def add_track(self, carrier: str, number: str) -> dict[str, Any]:
        """A parcel that its carrier knows nothing of yet; one that is there already is the same."""
        if carrier not in TOKENS.values():
            raise Refusal(400, {"carrier": [f"Invalid carrier: {carrier}"]})
        body = {"id": f"{carrier}/{number}", "carrier": carrier, "tracking_number": number, "tracking_history": [],
                "messages": []}  # fmt: skip
        return self.tracks.setdefault(str(body["id"]), body)

    def track(self, carrier: str, number: str) -> dict[str, Any]:
        """Of a parcel that nobody asked after before, too."""
        known = self.tracks.get(f"{carrier}/{number}")
        if known is None and carrier not in TOKENS.values():
            raise Refusal(400, {"carrier": [f"Invalid carrier: {carrier}"]})
        return known or {"carrier": carrier, "tracking_number": number, "tracking_history": [], "messages": []}

    def scan(self, track: dict[str, Any], status: str, code: str, details: str, city: str, at: datetime) -> None:
        """The carrier sees the parcel."""
        stamp = written(at)
        scan = {
            "object_id": self.new_id(), "object_created": stamp, "object_updated": stamp, "status": status,
            "substatus": {"code": code, "text": details, "action_required": False}, "status_details": details,
            "status_date": stamp, "location": {"city": city, "state": "TN", "zip": "38103", "country": "US"},
        }  # fmt: skip
        track["tracking_history"].append(scan)
        track["tracking_status"] = copy.deepcopy(scan)
        for transaction in self.transactions.values():
            if transaction.get("tracking_number") == track["tracking_number"]:
                transaction["tracking_status"] = status

    def _rate(
        self,
        shipment: Mapping[str, Any],
        provider: str,
        token: str,
        name: str,
        price: Decimal,
        per_g: Decimal,
        days: int,
    ) -> dict[str, Any]:
        weight = Decimal(shipment["parcels"][0]["weight"])
        amount = str((price + weight * per_g).quantize(Decimal("0.01"), ROUND_HALF_UP))
        rate = {
            "object_created": shipment["object_created"], "object_id": self.new_id(), "object_owner": OWNER,
            "shipment": shipment["object_id"], "attributes": ["CHEAPEST"] if days == 3 else [], "amount": amount,
            "currency": "USD", "amount_local": amount, "currency_local": "USD", "provider": provider,
            "servicelevel": {"name": name, "token": token, "terms": "", "extended_token": token},
            "estimated_days": days, "duration_terms": f"Delivery in {days} days.", "messages": [], "test": True,
            "carrier_account": next(account for account, carrier in ACCOUNTS.items() if carrier == provider),
        }  # fmt: skip
        self.rates[rate["object_id"]] = rate
        return rate

    def _draw(self, transaction: Mapping[str, Any], rate: Mapping[str, Any], tracking_number: str) -> str:
        to = self.shipments[rate["shipment"]]["address_to"]
        is_zpl = transaction["label_file_type"] == "ZPLII"
        name = f"{transaction['object_id']}.{'zpl' if is_zpl else 'pdf'}"
        lines = [str(to.get(part) or "") for part in ("name", "street1", "city")]
        self.files[name] = draw_label(lines, tracking_number, LabelFormat.ZPL if is_zpl else LabelFormat.PDF)
        return f"http://{self.store}/files/{name}?Signature=s1gn3d&Expires=1437093830"


def _require_address(asked: Any, field: str) -> None:
    if not isinstance(asked, Mapping):
        raise Refusal(400, {field: ["This field is required."]})
    missing = [name for name in ("country",) if not asked.get(name)]
    if missing:
        raise Refusal(400, {field: {name: ["This field is required."] for name in missing}})
    if len(asked.get("name") or "") > LONGEST:
        raise Refusal(400, {field: {"name": [f"Ensure this field has no more than {LONGEST} characters."]}})
