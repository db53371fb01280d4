"""What UPS answers, as far as it is read. What may be there several times is an object where it is there once. Pure."""

from __future__ import annotations

from typing import Annotated, TypeAlias, TypeVar

from pydantic import BeforeValidator, Field

from connector.sdk import EntityKind, LabelFormat, SourceRef
from connector.sdk.answers import Theirs
from connector.sdk.courier import Amount, cents, decoded_label

T = TypeVar("T")
CARRIER = "UPS"


def _listed(value: object) -> object:
    return value if isinstance(value, list) else [] if value is None else [value]


Several: TypeAlias = Annotated[tuple[T, ...], BeforeValidator(_listed)]


def parcel_ref(number: str) -> SourceRef:
    """What a parcel is called in the hub: its tracking number, which is that of the shipment as well."""
    return SourceRef(kind=EntityKind.SHIPMENT, external_id=number)


class Charge(Theirs):
    """Money."""

    currency: str = Field(alias="CurrencyCode", pattern=r"^[A-Z]{3}$")
    amount: Amount = Field(alias="MonetaryValue")

    @property
    def amount_cents(self) -> int:
        """Hundredths of the currency."""
        return cents(self.amount)


class _Negotiated(Theirs):
    total: Charge | None = Field(default=None, alias="TotalCharge")


class _Code(Theirs):
    code: str = Field(alias="Code")


class _Arrival(Theirs):
    days: str | None = Field(default=None, alias="BusinessDaysInTransit")


class _Summary(Theirs):
    arrival: _Arrival | None = Field(default=None, alias="EstimatedArrival")


class _Transit(Theirs):
    summary: _Summary | None = Field(default=None, alias="ServiceSummary")


class Offer(Theirs):
    """A service with its price."""

    of_service: _Code = Field(alias="Service")
    total: Charge = Field(alias="TotalCharges")
    negotiated: _Negotiated | None = Field(default=None, alias="NegotiatedRateCharges")
    transit: _Transit | None = Field(default=None, alias="TimeInTransit")
    guaranteed: _Arrival | None = Field(default=None, alias="GuaranteedDelivery")

    @property
    def names(self) -> tuple[str | None, ...]:
        """There is one carrier."""
        return (CARRIER,)

    @property
    def account(self) -> str | None:
        """There is one account."""
        return None

    @property
    def service(self) -> str:
        """UPS's code."""
        return self.of_service.code

    @property
    def charge(self) -> Charge:
        """What the account pays: its own price, if it has one."""
        return (self.negotiated and self.negotiated.total) or self.total

    @property
    def amount_cents(self) -> int:
        """Hundredths of the currency."""
        return self.charge.amount_cents

    @property
    def transit_days(self) -> int | None:
        """Business days, as far as UPS says."""
        arrival = self.transit.summary.arrival if self.transit and self.transit.summary else None
        for told in (arrival, self.guaranteed):
            if told is not None and told.days and told.days.strip().isdigit():
                return int(told.days)
        return None


class _RateResponse(Theirs):
    offers: Several[Offer] = Field(alias="RatedShipment")


class Rates(Theirs):
    """Answer of Rating."""

    response: _RateResponse = Field(alias="RateResponse")


class _Image(Theirs):
    content: str = Field(alias="GraphicImage")

    def label(self, label_format: LabelFormat, ref: SourceRef) -> bytes:
        """The file. Raises UnexpectedResponse when it is none in this format."""
        return decoded_label(self.content, label_format, ref)


class _Package(Theirs):
    number: str = Field(alias="TrackingNumber", min_length=1)
    image: _Image | None = Field(default=None, alias="ShippingLabel")


class _Charges(Theirs):
    total: Charge = Field(alias="TotalCharges")


class Results(Theirs):
    """A shipment that was made."""

    id: str = Field(alias="ShipmentIdentificationNumber", min_length=1)
    packages: Several[_Package] = Field(alias="PackageResults", min_length=1)
    charges: _Charges | None = Field(default=None, alias="ShipmentCharges")
    negotiated: _Negotiated | None = Field(default=None, alias="NegotiatedRateCharges")

    @property
    def charge(self) -> Charge | None:
        """What the account pays."""
        return (self.negotiated and self.negotiated.total) or (self.charges and self.charges.total) or None


class _ShipmentResponse(Theirs):
    results: Results = Field(alias="ShipmentResults")


class Shipped(Theirs):
    """Answer of Shipping."""

    response: _ShipmentResponse = Field(alias="ShipmentResponse")


class _Recovered(Theirs):
    number: str | None = Field(default=None, alias="TrackingNumber")
    image: _Image | None = Field(default=None, alias="LabelImage")


class _Candidate(Theirs):
    number: str = Field(alias="TrackingNumber", min_length=1)


class _RecoveryResponse(Theirs):
    id: str | None = Field(default=None, alias="ShipmentIdentificationNumber")
    results: Several[_Recovered] = Field(default=(), alias="LabelResults")
    candidates: Several[_Candidate] = Field(default=(), alias="TrackingCandidate")


class Recovery(Theirs):
    """Answer of Label Recovery: a label, or the numbers of several."""

    response: _RecoveryResponse = Field(alias="LabelRecoveryResponse")


class _Summarised(Theirs):
    status: _Code = Field(alias="Status")


class _VoidResponse(Theirs):
    result: _Summarised = Field(alias="SummaryResult")


class Void(Theirs):
    """Answer of Void."""

    response: _VoidResponse = Field(alias="VoidShipmentResponse")

    @property
    def is_done(self) -> bool:
        """Whether it is void."""
        return self.response.result.status.code == "1"


class Subscribed(Theirs):
    """Answer of Track Alert."""

    valid: Several[str] = Field(default=(), alias="validTrackingNumbers")
    invalid: Several[str] = Field(default=(), alias="invalidTrackingNumbers")
