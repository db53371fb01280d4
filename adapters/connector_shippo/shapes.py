"""What Shippo answers, as far as it is read. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Annotated

from pydantic import BeforeValidator, Field

from connector.sdk import EntityKind, SourceRef
from connector.sdk.answers import Theirs
from connector.sdk.courier import Amount, cents, for_sale

BOUGHT = "SUCCESS"
UNDER_WAY = frozenset({"QUEUED", "WAITING"})
VOID = frozenset({"REFUNDED", "REFUNDPENDING"})
VOID_REJECTED = "REFUNDREJECTED"


class Message(Theirs):
    """What Shippo or a carrier says. source: who. code: one of Shippo's, often empty."""

    source: str | None = None
    code: str | None = None
    text: str | None = None


Messages = Annotated[tuple[Message, ...], BeforeValidator(lambda value: value or ())]


class ServiceLevel(Theirs):
    """A service of a carrier. token: `usps_priority`."""

    token: str | None = None
    name: str | None = None


class Rate(Theirs):
    """An offer of a carrier."""

    id: str = Field(alias="object_id", min_length=1)
    provider: str
    amount: Amount
    currency: str = Field(pattern=r"^[A-Z]{3}$")
    carrier_account: str
    servicelevel: ServiceLevel
    estimated_days: int | None = None

    @property
    def amount_cents(self) -> int:
        """Hundredths of the currency."""
        return cents(self.amount)

    @property
    def transit_days(self) -> int | None:
        """Days on the way, an average."""
        return self.estimated_days

    @property
    def service(self) -> str:
        """What it is chosen by: the token of the service; some of a customer's own have none but a name."""
        return self.servicelevel.token or self.servicelevel.name or ""

    @property
    def account(self) -> str:
        """The carrier account."""
        return self.carrier_account

    @property
    def names(self) -> tuple[str, ...]:
        """Carrier and account."""
        return self.provider, self.carrier_account


Rates = Annotated[
    tuple[Rate, ...],
    BeforeValidator(for_sale("object_id", "provider", "amount", "currency", "carrier_account")),
]


class Shipment(Theirs):
    """A parcel with its offers, which costs nothing."""

    id: str = Field(alias="object_id", min_length=1)
    status: str | None = None
    rates: Rates = ()
    messages: Messages = ()


class _RateId(Theirs):
    object_id: str


def _rate_id(value: object) -> object:
    """A transaction has the id of its rate, or the rate itself if shipment and label were asked for at once."""
    return _RateId.model_validate(value).object_id if isinstance(value, dict) else value


def _status(value: object) -> object:
    """By the description a word; where there is more it is an object with that word."""
    return value.get("status") if isinstance(value, dict) else value


class Transaction(Theirs):
    """A label that was bought, or was to be: Shippo keeps failed attempts as well."""

    id: str = Field(alias="object_id", min_length=1)
    status: str
    created_at: datetime | None = Field(default=None, alias="object_created")
    rate: Annotated[str, BeforeValidator(_rate_id)]
    metadata: str | None = None
    label_file_type: str | None = None
    label_url: str | None = None
    tracking_number: str | None = None
    tracking_status: Annotated[str | None, BeforeValidator(_status)] = None
    tracking_url_provider: str | None = None
    eta: str | None = None
    messages: Messages = ()

    @property
    def ref(self) -> SourceRef:
        """What it is called in the hub."""
        return SourceRef(kind=EntityKind.SHIPMENT, external_id=self.id)

    @property
    def is_bought(self) -> bool:
        """Whether there is, or was, a label."""
        return self.status in (BOUGHT, VOID_REJECTED) or self.status in VOID


class Refund(Theirs):
    """A label that was handed back."""

    id: str = Field(alias="object_id")
    status: str


class Pickup(Theirs):
    """A carrier who comes."""

    id: str = Field(alias="object_id", min_length=1)
    status: str
    confirmation_code: str | None = None
    confirmed_start_time: datetime | None = None
    confirmed_end_time: datetime | None = None
    messages: Annotated[tuple[str, ...], BeforeValidator(lambda value: [str(each) for each in value or ()])] = ()


def said(messages: Iterable[Message]) -> str:
    """What carriers say, for people."""
    told = [f"{each.source or 'Shippo'}: {each.text}" for each in messages if each.text]
    return f"Said is: {'; '.join(told)}." if told else ""
