"""What adapters of couriers have alike."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal

import pytest
from pydantic import TypeAdapter, ValidationError

from connector.sdk import (
    Address,
    BuyLabel,
    EntityKind,
    Invalid,
    LabelFormat,
    Parcel,
    Party,
    SourceRef,
    UnexpectedResponse,
)
from connector.sdk.courier import (
    Amount,
    allowed_offers,
    business_days,
    cents,
    chosen_offer,
    for_sale,
    known_instant,
    require_label,
)
from connector.sdk.testing import draw_label

SOMEBODY = Party("Hub", Address(city="Austin", country="US"))
REF = SourceRef(kind=EntityKind.SHIPMENT, external_id="shp_1")


@dataclass(frozen=True)
class Offered:
    carrier: str
    account: str
    service: str
    amount_cents: int
    transit_days: int | None = None

    @property
    def names(self) -> tuple[str, ...]:
        return self.carrier, self.account


GROUND, OVERNIGHT = Offered("UPS", "a1", "ground", 700, 3), Offered("FedEx", "b1", "overnight", 1900, 1)
DEARER = Offered("UPS", "a2", "ground", 800, 3)
QUICKER = Offered("USPS", "c1", "priority", 700, 2)


def asked(carrier: str | None = None, service: str | None = None) -> BuyLabel:
    return BuyLabel("k", Parcel(SOMEBODY, SOMEBODY, weight_g=1), "INC-1", carrier=carrier, service=service)


def test_a_weekend_is_no_business_day() -> None:
    assert business_days(date(2026, 11, 27), date(2026, 11, 30)) == 1


@pytest.mark.parametrize(("told", "amount"), [("6.07", 607), (6.07, 607), ("0.005", 1), (7, 700), ("1234.5", 123450)])
def test_money_is_read_exactly(told: object, amount: int) -> None:
    assert cents(TypeAdapter(Amount).validate_python(told)) == amount


@pytest.mark.parametrize("told", ["free", "NaN", "Infinity", None, {}])
def test_what_is_no_amount_is_refused(told: object) -> None:
    with pytest.raises(ValidationError, match="is no amount"):
        TypeAdapter(Amount).validate_python(told)


def test_halves_are_rounded_up() -> None:
    assert (cents(Decimal("1.005")), cents(Decimal("1.0049"))) == (101, 100)


def test_offers_come_cheapest_first_then_quickest_one_for_each_carrier_and_service() -> None:
    offers = allowed_offers([OVERNIGHT, DEARER, GROUND, QUICKER], services=(), accounts=())

    assert offers == (QUICKER, GROUND, OVERNIGHT)


def test_settings_leave_offers_out() -> None:
    every = [GROUND, DEARER, OVERNIGHT, QUICKER]

    assert allowed_offers(every, services=["ground"], accounts=["a2", "c1"]) == (DEARER,)


@pytest.mark.parametrize(
    ("carrier", "service", "chosen"),
    [(None, None, GROUND), ("FedEx", None, OVERNIGHT), ("b1", None, OVERNIGHT), (None, "overnight", OVERNIGHT)],
)
def test_an_offer_is_chosen_by_carrier_account_or_service(
    carrier: str | None, service: str | None, chosen: Offered
) -> None:
    assert chosen_offer((GROUND, OVERNIGHT), asked(carrier, service), said="", settings="") == chosen


def test_what_nobody_offers_is_refused_with_what_is_offered() -> None:
    said = "no carrier offers DHL/any service for this parcel, offered is UPS/ground, FedEx/overnight. UPS: too heavy"
    with pytest.raises(Invalid) as refused:
        chosen_offer((GROUND, OVERNIGHT), asked("DHL"), said="UPS: too heavy", settings="`services`")

    assert (refused.value.message, refused.value.fields) == (said, {"service": "DHL/any service is not offered"})
    assert refused.value.hint == "Check address, weight and size of the parcel, and the settings `services`."


def test_an_offer_that_lacks_something_is_left_out_and_what_is_none_stays_to_be_refused() -> None:
    keep = for_sale("id", "rate")

    assert keep([{"id": "1", "rate": "5"}, {"id": "2", "rate": ""}, {"rate": "5"}, "x"]) == [
        {"id": "1", "rate": "5"},
        "x",
    ]
    assert (keep(None), keep("x")) == ((), "x")


@pytest.mark.parametrize("label_format", LabelFormat)
def test_a_label_is_one_in_its_own_format_only(label_format: LabelFormat) -> None:
    drawn = draw_label(["Hub", "1 Depot Road"], "1Z999", label_format)
    [other] = set(LabelFormat) - {label_format}

    assert require_label(drawn, label_format, REF) == drawn
    with pytest.raises(UnexpectedResponse, match=f"should be is no {other.value.upper()}, it begins with"):
        require_label(drawn, other, REF)


def test_a_time_without_zone_is_not_handed_on() -> None:
    at = datetime(2026, 11, 25, 12, tzinfo=UTC)

    assert (known_instant(at), known_instant(at.replace(tzinfo=None)), known_instant(None)) == (at, None, None)
