"""What EasyPost answers, as far as it is read. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Annotated, Any

from pydantic import BeforeValidator, Field

from connector.sdk import EntityKind, SourceRef
from connector.sdk.answers import Theirs
from connector.sdk.courier import Amount, cents, for_sale


class Rate(Theirs):
    """An offer of a carrier, to carry or to come for a parcel."""

    id: str
    carrier: str
    service: str
    rate: Amount
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    carrier_account_id: str | None = None
    delivery_days: int | None = None
    est_delivery_days: int | None = None
    delivery_date: datetime | None = None

    @property
    def amount_cents(self) -> int:
        """Hundredths of the currency."""
        return cents(self.rate)

    @property
    def account(self) -> str | None:
        """The carrier account."""
        return self.carrier_account_id

    @property
    def names(self) -> tuple[str | None, ...]:
        """Carrier and account."""
        return self.carrier, self.carrier_account_id

    @property
    def transit_days(self) -> int | None:
        """Days on the way; the carrier's word before EasyPost's estimate."""
        return self.delivery_days if self.delivery_days is not None else self.est_delivery_days


Rates = Annotated[tuple[Rate, ...], BeforeValidator(for_sale("id", "carrier", "service", "rate", "currency"))]
ObjectOrNothing = Annotated[dict[str, Any], BeforeValidator(lambda value: value or {})]


class Message(Theirs):
    """Why a carrier makes no offer; `message` is the carrier's own, of whatever type."""

    carrier: str | None = None
    message: Any = None


class PostageLabel(Theirs):
    """Where a label lies, by format."""

    label_file_type: str | None = None
    label_url: str | None = None
    label_pdf_url: str | None = None
    label_zpl_url: str | None = None

    def url(self, label_type: str) -> str | None:
        """Of the label in this format; None when it has to be converted first."""
        if self.label_url and (self.label_file_type or "").endswith(f"/{label_type.lower()}"):
            return self.label_url
        return self.label_pdf_url if label_type == "PDF" else self.label_zpl_url


class Shipment(Theirs):
    """A shipment as EasyPost keeps it. It is bought once it has a label."""

    id: str = Field(min_length=1, max_length=255)
    created_at: datetime | None = None
    reference: str | None = None
    is_return: bool | None = None
    tracking_code: str | None = None
    refund_status: str | None = None
    options: ObjectOrNothing = Field(default_factory=dict)
    from_address: ObjectOrNothing = Field(default_factory=dict)
    to_address: ObjectOrNothing = Field(default_factory=dict)
    parcel: ObjectOrNothing = Field(default_factory=dict)
    rates: Rates = ()
    selected_rate: Rate | None = None
    postage_label: PostageLabel | None = None
    tracker: dict[str, Any] | None = None
    messages: Annotated[tuple[Message, ...], BeforeValidator(lambda value: value or ())] = ()

    @property
    def ref(self) -> SourceRef:
        """Identity of the shipment."""
        return SourceRef(kind=EntityKind.SHIPMENT, external_id=self.id)

    @property
    def is_bought(self) -> bool:
        """Whether it has ever had a label, void ones included."""
        return bool(self.tracking_code) and self.postage_label is not None


class Offers(Theirs):
    """The answer to a request for new offers."""

    rates: Rates


class Pickup(Theirs):
    """A pickup as EasyPost keeps it: `unknown` until it is ordered, then `scheduled`, in the end perhaps `canceled`."""

    id: str
    reference: str | None = None
    status: str
    confirmation: str | None = None
    pickup_rates: Rates = ()
    messages: Annotated[tuple[Message, ...], BeforeValidator(lambda value: value or ())] = ()


def said(messages: Sequence[Message]) -> str:
    """What carriers say, for people."""
    told = [f"{each.carrier or 'a carrier'}: {each.message}" for each in messages if each.message]
    return f"Carriers say: {'; '.join(told)}." if told else ""
