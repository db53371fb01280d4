"""What FedEx answers to offers, purchases and cancellations, as far as it is read. Pure."""

from __future__ import annotations

from datetime import date
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from connector.sdk import EntityKind, LabelFormat, SourceRef, UnexpectedResponse
from connector.sdk.answers import Theirs
from connector.sdk.courier import Amount, business_days, cents, decoded_label, for_sale

CARRIER = "FedEx"
_NUMBERS = (
    "ONE", "TWO", "THREE", "FOUR", "FIVE", "SIX", "SEVEN", "EIGHT", "NINE", "TEN", "ELEVEN", "TWELVE", "THIRTEEN",
    "FOURTEEN", "FIFTEEN", "SIXTEEN", "SEVENTEEN", "EIGHTEEN", "NINETEEN", "TWENTY",
)  # fmt: skip
DAYS = {f"{name}_DAY{'S' if days > 1 else ''}": days for days, name in enumerate(_NUMBERS, 1)}
"""How FedEx writes days on the way. Other words (UNKNOWN, SMARTPOST_TRANSIT_DAYS) tell none."""


def parcel_ref(number: str) -> SourceRef:
    """What a parcel is called in the hub: its tracking number, by which a label is cancelled as well."""
    return SourceRef(kind=EntityKind.SHIPMENT, external_id=number)


class _InDetail(Theirs):
    currency: str | None = None


class Rated(Theirs):
    """A price. kind: ACCOUNT, LIST and so on."""

    kind: str = Field(alias="rateType")
    amount: Amount = Field(alias="totalNetCharge")
    own_currency: str | None = Field(default=None, alias="currency")
    detail: _InDetail | None = Field(default=None, alias="shipmentRateDetail")

    @property
    def currency(self) -> str:
        """FedEx writes it in one of two places. Raises UnexpectedResponse."""
        found = self.own_currency or (self.detail and self.detail.currency)
        if not found:
            raise UnexpectedResponse("a price of FedEx has no currency", operation="read price")
        return found


class _TransitDays(Theirs):
    least: str | None = Field(default=None, alias="minimumTransitTime")


class _Day(Theirs):
    text: str | None = Field(default=None, alias="dayFormat")


class _Commit(Theirs):
    days: str | None = Field(default=None, alias="daysInTransit")
    transit: _TransitDays | None = Field(default=None, alias="transitDays")
    day: _Day | None = Field(default=None, alias="dateDetail")


class _Operational(Theirs):
    transit: str | None = Field(default=None, alias="transitTime")
    delivery: str | None = Field(default=None, alias="deliveryDate")
    commit: str | None = Field(default=None, alias="commitDate")


class Service(Theirs):
    """An offer as FedEx makes it, with several prices."""

    code: str = Field(alias="serviceType", min_length=1)
    rated: tuple[Rated, ...] = Field(alias="ratedShipmentDetails")
    commit: _Commit | None = None
    operational: _Operational | None = Field(default=None, alias="operationalDetail")

    def price(self, *, of_account: bool) -> Rated:
        """The account's own where it is wanted and there is one, else the first."""
        wanted = "ACCOUNT" if of_account else "LIST"
        return next((each for each in self.rated if each.kind.endswith(wanted)), self.rated[0])

    def days(self, ship_day: date) -> int | None:
        """Business days: as FedEx counts them, else until the day that it commits to."""
        commit, operational = self.commit or _Commit(), self.operational or _Operational()
        for told in (commit.days, commit.transit and commit.transit.least, operational.transit):
            if told in DAYS:
                return DAYS[told]
        for text in (commit.day and commit.day.text, operational.delivery, operational.commit):
            try:
                return business_days(ship_day, date.fromisoformat((text or "")[:10]))
            except ValueError:
                continue
        return None


class _RateOutput(Theirs):
    services: Annotated[tuple[Service, ...], BeforeValidator(for_sale("ratedShipmentDetails"))] = Field(
        default=(), alias="rateReplyDetails"
    )


class Rates(Theirs):
    """Answer of Rates and Transit Times."""

    output: _RateOutput


class _Document(Theirs):
    kind: str | None = Field(default=None, alias="contentType")
    content: str | None = Field(default=None, alias="encodedLabel")


class _Piece(Theirs):
    number: str = Field(alias="trackingNumber", min_length=1)
    documents: tuple[_Document, ...] = Field(default=(), alias="packageDocuments")


class _ShipmentRate(Theirs):
    kind: str = Field(default="", alias="rateType")
    amount: Amount | None = Field(default=None, alias="totalNetCharge")
    currency: str | None = None


class _ShipmentRating(Theirs):
    rates: tuple[_ShipmentRate, ...] = Field(default=(), alias="shipmentRateDetails")


class _Completed(Theirs):
    rating: _ShipmentRating | None = Field(default=None, alias="shipmentRating")


class Made(Theirs):
    """A shipment that was made, of one parcel."""

    service: str = Field(default="", alias="serviceType")
    pieces: tuple[_Piece, ...] = Field(alias="pieceResponses", min_length=1)
    completed: _Completed | None = Field(default=None, alias="completedShipmentDetail")

    @property
    def number(self) -> str:
        """The tracking number."""
        return self.pieces[0].number

    def label(self, label_format: LabelFormat) -> bytes:
        """The file. Raises UnexpectedResponse when it is none in this format."""
        content = next((each.content for each in self.pieces[0].documents if each.kind == "LABEL" and each.content), "")
        return decoded_label(content, label_format, parcel_ref(self.number))

    def price(self, *, of_account: bool) -> tuple[int, str] | None:
        """Cents and currency, where FedEx tells them with the label."""
        rating = self.completed.rating if self.completed else None
        known = [each for each in (rating.rates if rating else ()) if each.amount is not None and each.currency]
        wanted = "_ACCOUNT_" if of_account else "_LIST_"
        for each in sorted(known, key=lambda rate: wanted not in rate.kind):
            if each.amount is not None and each.currency is not None:
                return cents(each.amount), each.currency
        return None


class _ShipOutput(Theirs):
    shipments: tuple[Made, ...] = Field(alias="transactionShipments", min_length=1)


class Shipped(Theirs):
    """Answer of Ship."""

    output: _ShipOutput


class _CancelOutput(Theirs):
    is_done: bool = Field(default=False, alias="cancelledShipment")
    message: str | None = None


class Cancelled(Theirs):
    """Answer of cancel."""

    output: _CancelOutput


def told_errors(result: Any) -> dict[str, str]:
    """The error in a part of an answer, by its code."""
    error = result.get("error") if isinstance(result, dict) else None
    if not isinstance(error, dict) or not error.get("code"):
        return {}
    return {str(error["code"]): str(error.get("message") or "no reason given")}
