"""Tests inside a policy document: facts that are given, and what is expected of the policy.

The vocabulary is that of conditions, and what a sourcing decision needs besides: positions, hours, stock. Whatever is
left out has a default, so that a test states only what matters to it. Run by `connector.rules.checks.policy_tests`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field

from connector.model.calendars import check_time_zone, parse_hours, parse_time_of_day
from connector.model.kinds import (
    Criticality,
    HubTier,
    Lane,
    Priority,
    ProcurementKind,
    ProductStatus,
    Protection,
    TicketType,
    Trouble,
)
from connector.model.lifecycle import AssetState, LoanState, ProcurementState, TicketState
from connector.rules.policy.conditions import compile_condition
from connector.rules.policy.given_lanes import GivenDeliveries, GivenOffer, GivenTravel
from connector.rules.policy.given_together import GivenGroup, GivenParcel

NOW = datetime(2026, 1, 7, 9, 0, tzinfo=UTC)
"""When a test takes place that does not say when: a Wednesday morning."""


def _hours(text: str) -> str:
    parse_hours(text)
    return text


def _condition(text: str) -> str:
    compile_condition(text)
    return text


def _times(texts: tuple[str, ...]) -> tuple[str, ...]:
    for text in texts:
        parse_time_of_day(text)
    return texts


Hours = Annotated[str, AfterValidator(_hours), Field(examples=["Mon-Fri 08:00-18:00"])]
TimeZone = Annotated[str, AfterValidator(check_time_zone), Field(examples=["Europe/Berlin"])]
Latitude = Annotated[float, Field(ge=-90, le=90, examples=[52.5])]
Longitude = Annotated[float, Field(ge=-180, le=180, examples=[13.4])]
Instant = Annotated[AwareDatetime, Field(examples=["2026-01-07T09:00:00Z"])]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


class GivenTicket(_Part):
    """The ticket. opened_at: the moment of the test unless said otherwise."""

    number: str = "TEST-1"
    type: TicketType = TicketType.INCIDENT
    priority: Priority | None = None
    state: TicketState = TicketState.NEW
    title: str = ""
    description: str = ""
    category: str = ""
    quantity: Annotated[int, Field(ge=1)] = 1
    requester: str = ""
    assignee: str = ""
    asset_hint: str = ""
    site_hint: str = ""
    product_hint: str = ""
    source: str = "test"
    opened_at: Instant | None = None
    sla_due_at: Instant | None = None


class GivenAsset(_Part):
    """The affected device. known: false is the same as leaving it out. revision: of its hardware.

    warranty_known: somebody knows when it ends, which in_warranty and warranty_days_left say as well.
    """

    known: bool = True
    name: str = ""
    serial: str = ""
    asset_tag: str = ""
    state: AssetState = AssetState.DEPLOYED
    holder: str = ""
    revision: str = ""
    warranty_known: bool = False
    in_warranty: bool = False
    warranty_days_left: Annotated[int, Field(ge=0, le=36_500)] = 0


class GivenSite(_Part):
    """Where the unit must go. service_class: one of the policy's, or the one that is given beside it."""

    known: bool = True
    name: str = "Site"
    code: str = ""
    region: str = ""
    country: str = ""
    state: str = ""
    time_zone: TimeZone | None = None
    service_class: str = ""
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    access_hours: Hours | None = None
    data_quality: Annotated[int, Field(ge=0, le=100, examples=[80])] = 100


class GivenProduct(_Part):
    """What is needed."""

    known: bool = True
    manufacturer: str = "Acme"
    model: str = "Unit"
    part_number: str = ""
    sku: str = ""
    asset_class: str = ""
    criticality: Criticality | None = None
    unit_cost_cents: Annotated[int, Field(ge=0)] = 0
    weight_g: Annotated[int, Field(ge=0)] = 0
    is_data_bearing: bool = False
    status: ProductStatus = ProductStatus.ACTIVE
    data_quality: Annotated[int, Field(ge=0, le=100, examples=[80])] = 100


class GivenServiceClass(_Part):
    """A service class that the policy does not define. always: 24x7, else Mon-Fri 08:00-17:00."""

    known: bool = True
    name: Annotated[str, Field(min_length=1, examples=["critical"])]
    maximum_outage_minutes: Annotated[int, Field(gt=0, examples=[240])]
    always: bool = True


class GivenHub(_Part):
    """A hub, as its source would describe it."""

    tier: HubTier = HubTier.REGIONAL
    latitude: Latitude | None = None
    longitude: Longitude | None = None
    time_zone: TimeZone = "UTC"
    opening_hours: Hours = "24x7"
    cut_offs: Annotated[tuple[str, ...], AfterValidator(_times), Field(examples=[["17:00"]])] = ("17:00",)
    handling_minutes: Annotated[int, Field(ge=0, le=100_000, examples=[30])] = 30
    pick_minutes: Annotated[int, Field(ge=0, le=10_080, examples=[10])] | None = None
    qa_minutes: Annotated[int, Field(ge=0, le=10_080, examples=[15])] | None = None
    pack_minutes: Annotated[int, Field(ge=0, le=10_080, examples=[5])] | None = None
    is_mobile: bool = False
    country: str = ""
    state: str = ""
    region: str = ""


class GivenSubstitute(_Part):
    """A product that can stand in for the needed one."""

    product: Annotated[str, Field(min_length=1, examples=["Acme X2"])]
    preference: Annotated[int, Field(ge=1)] = 1
    condition: Annotated[str, AfterValidator(_condition)] | None = None


class GivenKit(_Part):
    """The swap kit of the needed product. components: how many of each it has, by name."""

    name: Annotated[str, Field(min_length=1, examples=["Swap kit"])] = "Swap kit"
    components: Annotated[
        dict[Annotated[str, Field(min_length=1)], Annotated[int, Field(ge=1)]],
        Field(min_length=1, examples=[{"Acme Bracket": 2}]),
    ]


class GivenShelf(_Part):
    """Free units at a hub. product: one of `substitutes`, or a component of `kit`; the needed one when left out.

    safety_stock, emergency_buffer: how many of the free units the shelf keeps. revision: of these units; unknown when
    left out. Units of several revisions are several entries.
    """

    hub: Annotated[str, Field(examples=["BER"])]
    product: str | None = None
    lane: Lane = Lane.NORMAL
    free: Annotated[int, Field(ge=1)] = 1
    safety_stock: Annotated[int, Field(ge=0)] = 0
    emergency_buffer: Annotated[int, Field(ge=0)] = 0
    revision: str = ""


class GivenClaim(_Part):
    """Units at a hub that another ticket holds. product: as of a shelf. opened_at: when that ticket was opened.

    losses: how many of its units went to other tickets before. is_rollout: they are held for a rollout. revision: of
    the units. has_kit: each has its kit with it.
    """

    hub: Annotated[str, Field(examples=["BER"])]
    product: str | None = None
    lane: Lane = Lane.NORMAL
    units: Annotated[int, Field(ge=1)] = 1
    ticket: Annotated[str, Field(min_length=1, examples=["INC-7"])]
    priority: Priority | None = None
    opened_at: Instant | None = None
    losses: Annotated[int, Field(ge=0)] = 0
    is_rollout: bool = False
    revision: str = ""
    has_kit: bool = False


class GivenChannel(_Part):
    """An open red channel whose scope the ticket lies in. known: false is the same as leaving it out."""

    known: bool = True
    name: Annotated[str, Field(min_length=1, examples=["recall"])]


class GivenProcurement(_Part):
    """What was ordered for the ticket before, or its place in the queue for stock."""

    kind: ProcurementKind
    supplier: str = ""
    state: ProcurementState = ProcurementState.ORDERED
    quantity: Annotated[int, Field(ge=1)] = 1
    expected_at: Instant | None = None


class GivenLoan(_Part):
    """What was lent to the ticket before."""

    state: LoanState = LoanState.RESERVED
    due_back_at: Instant | None = None


class Given(_Part):
    """The facts of a test. What is not there at all is unknown to the hub. refused: approvals that were refused.

    deliveries, offers, roads: what is known of the ways to the site. group: the event that the ticket belongs to.
    parcel: what was sent for it already. kit: the swap kit of the product; it has none when left out.
    loan: what was lent to it already. had: units that it has already, of all that it needs.
    """

    now: Instant = NOW
    ticket: GivenTicket = GivenTicket()
    asset: GivenAsset | None = None
    site: GivenSite | None = None
    product: GivenProduct | None = None
    service_class: GivenServiceClass | None = None
    hubs: dict[str, GivenHub] = Field(default_factory=dict)
    stock: tuple[GivenShelf, ...] = ()
    claims: tuple[GivenClaim, ...] = ()
    substitutes: tuple[GivenSubstitute, ...] = ()
    kit: GivenKit | None = None
    procurements: tuple[GivenProcurement, ...] = ()
    quantity: Annotated[int, Field(ge=1)] = 1
    had: Annotated[int, Field(ge=0, examples=[2])] = 0
    refused: tuple[str, ...] = ()
    channel: GivenChannel | None = None
    deliveries: tuple[GivenDeliveries, ...] = ()
    offers: tuple[GivenOffer, ...] = ()
    roads: tuple[GivenTravel, ...] = ()
    group: GivenGroup | None = None
    parcel: GivenParcel | None = None
    loan: GivenLoan | None = None


class Expect(_Part):
    """What must come out; what is left out may be anything. null: no rule decides, nothing is due, no hub is chosen.

    lanes: of the rule that decides. due_minutes: from the moment of the test to the due time. hub, mode,
    is_within_sla, probability_percent: of the chosen candidate. rung: number of the rung that serves, from 1.
    approval: what it waits for. supplier: of what is ordered. taken_from: the ticket whose units it takes. draws: what
    the kept units among the chosen ones were kept for. trouble: of the given parcel. revision: the one that units must
    have; null when any will do. assumed: the facts that are missing and that the policy has something instead of. kit:
    name of the kit that goes along. units: how many are reserved. rest: the reason of the decision about the others,
    null when there are none; rest_units: how many those are.
    loan: what becomes of one, null where the rule lends nothing or need not; loan_hub: where the unit that is lent
    comes from; loan_days: whole days until it is due back.
    """

    rule: str | None = None
    hardware: Annotated[Literal["replace", "none"], Field(examples=["replace"])] | None = None
    outcome: Annotated[str, Field(examples=["reserve"])] | None = None
    reason: Annotated[str, Field(examples=["sourced"])] | None = None
    lanes: Annotated[tuple[Lane, ...], Field(examples=[["normal"]])] | None = None
    due_minutes: Annotated[int, Field(examples=[240])] | None = None
    hub: Annotated[str, Field(examples=["BER"])] | None = None
    mode: Annotated[str, Field(examples=["drive"])] | None = None
    is_within_sla: bool | None = None
    probability_percent: Annotated[int, Field(ge=0, le=100, examples=[95])] | None = None
    rung: Annotated[int, Field(ge=1, examples=[1])] | None = None
    approval: Annotated[str, Field(examples=["costly-spare"])] | None = None
    taken_from: Annotated[str, Field(examples=["INC-7"])] | None = None
    draws: Annotated[tuple[Protection, ...], Field(examples=[["safety_stock"]])] | None = None
    supplier: str | None = None
    trouble: Annotated[Trouble, Field(examples=["silent"])] | None = None
    revision: Annotated[str, Field(examples=["V03"])] | None = None
    assumed: Annotated[tuple[str, ...], Field(examples=[["revision"]])] | None = None
    kit: Annotated[str, Field(examples=["Swap kit"])] | None = None
    loan: Annotated[Literal["lent", "kept", "given_back", "none"], Field(examples=["lent"])] | None = None
    loan_hub: Annotated[str, Field(examples=["BER"])] | None = None
    loan_days: Annotated[int, Field(ge=0, examples=[14])] | None = None
    units: Annotated[int, Field(ge=0, examples=[2])] | None = None
    rest: Annotated[str, Field(examples=["backorder"])] | None = None
    rest_units: Annotated[int, Field(ge=0, examples=[1])] | None = None


class PolicyTest(_Part):
    """One test. name: what should be so, for people."""

    name: Annotated[str, Field(min_length=1, max_length=200, examples=["a dead switch gets a replacement"])]
    given: Given = Given()
    expect: Expect
