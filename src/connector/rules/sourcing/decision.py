"""A decision and its explanation: what was chosen, and for everything else why it lost."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, field, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any

from connector.model.frozen import frozen
from connector.model.kinds import ProcurementKind, Protection
from connector.rules.arrival.due import NO_DUE, Due
from connector.rules.arrival.timetable import instant_text
from connector.rules.events.following import Following
from connector.rules.facts.standing import GroupFacts
from connector.rules.policy.approvals import Terms
from connector.rules.policy.channels import Channel
from connector.rules.sourcing.candidate import Candidate, Losers, recorded_of
from connector.rules.sourcing.deferred import entries
from connector.rules.sourcing.loan import Loan
from connector.rules.sourcing.picks import KitAlong, Pick
from connector.rules.sourcing.told import told


class Outcome(StrEnum):
    """What is to be done about a ticket. procure: units are got from outside, or the ticket waits for stock."""

    RESERVE = "reserve"
    PROCURE = "procure"
    NOT_NEEDED = "not_needed"
    REVIEW = "review"


class Reason(StrEnum):
    """Why, as a stable code; `Decision.text` says it for people."""

    SOURCED = "sourced"
    VENDOR_REPLACEMENT = "vendor_replacement"
    PURCHASE = "purchase"
    BACKORDER = "backorder"
    TICKET_NOT_OPEN = "ticket_not_open"
    NO_RULE_MATCHED = "no_rule_matched"
    RULE_SAYS_NONE = "rule_says_none"
    RELIEVED = "relieved"
    FOLLOWS = "follows"
    GROUPED = "grouped"
    RECOVERY = "recovery"
    RECOVERY_TOO_LATE = "recovery_too_late"
    RULE_FAILED = "rule_failed"
    ASSET_UNKNOWN = "asset_unknown"
    PRODUCT_UNKNOWN = "product_unknown"
    SITE_UNKNOWN = "site_unknown"
    REVISION_UNKNOWN = "revision_unknown"
    DATA_QUALITY = "data_quality"
    SERVICE_CLASS_UNKNOWN = "service_class_unknown"
    SITE_WITHOUT_COORDINATES = "site_without_coordinates"
    SITE_UNUSABLE = "site_unusable"
    NO_COMPATIBLE_STOCK = "no_compatible_stock"
    KIT_INCOMPLETE = "kit_incomplete"
    NOTHING_ALLOWED = "nothing_allowed"
    NOTHING_REACHABLE = "nothing_reachable"
    LADDER_SAYS_PERSON = "ladder_says_person"
    APPROVAL_REFUSED = "approval_refused"


@frozen
class TakenFrom:
    """Whose units the choice takes. ticket: with its priority, for people. instead: what is left to that ticket."""

    reservation_id: int
    ticket_id: int
    ticket: str
    hub_id: int
    instead: str = ""

    def explained(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)


@frozen
class Order:
    """What is to be on order for the ticket. supplier: "" for a backorder. expected_at: at the hub, or at the site.

    hub_id: where it is delivered to, to be sent on; None for the site. arrives_at: at the site. cost_cents: all of it.
    contact: how a person orders there. revision: the one that the goods must have; None when any will do. via: the
    source that takes the order there; None: a person does.
    """

    kind: ProcurementKind
    product_id: int
    quantity: int
    supplier: str = ""
    expected_at: datetime | None = None
    arrives_at: datetime | None = None
    cost_cents: int | None = None
    currency: str | None = None
    hub_id: int | None = None
    contact: str = ""
    revision: str | None = None
    via: str | None = None

    def explained(self) -> dict[str, Any]:
        """As JSON values."""
        return {
            "kind": self.kind.value,
            "product_id": self.product_id,
            "quantity": self.quantity,
            "supplier": self.supplier,
            "expected_at": instant_text(self.expected_at) if self.expected_at else None,
            "arrives_at": instant_text(self.arrives_at) if self.arrives_at else None,
            "cost_cents": self.cost_cents,
            "hub_id": self.hub_id,
            "revision": self.revision,
        }


class RungOutcome(StrEnum):
    """What became of a rung. lost: it offered something, and another rung something better."""

    TAKEN = "taken"
    LOST = "lost"
    NOTHING = "nothing"
    SKIPPED = "skipped"
    NOT_REACHED = "not_reached"


@frozen
class RungTried:
    """One rung of the ladder in the explanation. text: what came of it and why, for people.

    offered: what people call where its best offer comes from, "" without one; arrives_at, cost_cents: of that offer.
    """

    number: int
    kind: str
    outcome: RungOutcome
    text: str
    offered: str = ""
    arrives_at: datetime | None = None
    cost_cents: int | None = None
    is_within_sla: bool | None = None

    def recorded(self) -> tuple[Any, ...]:
        """As JSON values, in the order of the fields; without an offer only what there is."""
        bare = self.number, self.kind, self.outcome, self.text
        if self.arrives_at is None:
            return bare
        return *bare, self.offered, instant_text(self.arrives_at), self.cost_cents, self.is_within_sla


@frozen
class Assumption:
    """A fact that is missing, and what the policy takes instead. fact: stable code; text: for people."""

    fact: str
    text: str

    def explained(self) -> dict[str, Any]:
        """As JSON values."""
        return {"fact": self.fact, "text": self.text}


@frozen
class Decision:
    """What the rules decided for a ticket at a moment.

    reason: stable code; text: for people. candidates: the best of them with all detail, the chosen first; losers:
    everything else that was considered. picks: what is to be claimed, all of it or nothing; none unless the outcome is
    RESERVE. inputs: the facts, as JSON values. product_id: what was needed, quantity units of it. until: when an
    arrival is in time. access, delivery: when the site lets somebody in and couriers hand over there, for people; ""
    when no site was planned for. ladder: its rungs, what came of each; empty when none was tried. approval: what it
    waits for, by its name in the policy, on the terms of `awaits`; authorisation: which that is, or why none is needed,
    for people. assumed: facts that were missing. follows: the ticket that it waits with. drawn: kept units among
    the picks, by what they were kept for. taken_from: whose units are among them. wants_contested: what other tickets
    hold was not read, and could change this. recovery: the parcel in trouble that
    a second unit is for, as JSON values. channel: the red channel that the ticket goes through. group: the event that
    the ticket belongs to. orders: what is to be on order, in place of whatever was before. revision: the one that units
    must have; None when any will do. wants_revisions: which revisions lie on the shelves was not read, and is needed.
    kit: what goes along with the device, None when nothing does. loan: the unit that bridges the time until
    then; None where its rule lends nothing. had: units that the ticket has already; rest: what becomes of those that
    this one is not about.
    """

    outcome: Outcome
    reason: Reason
    text: str
    rule: str | None
    policy_version: str
    decided_at: datetime
    inputs: Mapping[str, Any]
    product_id: int | None = None
    quantity: int = 1
    until: Due = NO_DUE
    access: str = ""
    delivery: str = ""
    hold_minutes: int = 0
    candidates: Sequence[Candidate] = ()
    losers: Sequence[Losers] = ()
    picks: tuple[Pick, ...] = ()
    ladder: Sequence[RungTried] = ()
    approval: str | None = None
    assumed: Sequence[Assumption] = ()
    follows: Following | None = None
    orders: tuple[Order, ...] = ()
    authorisation: str = ""
    awaits: Terms | None = None
    channel: Channel | None = None
    drawn: Mapping[Protection, int] = field(default_factory=dict)
    taken_from: tuple[TakenFrom, ...] = ()
    wants_contested: bool = False
    recovery: Mapping[str, Any] | None = None
    group: GroupFacts | None = None
    revision: str | None = None
    wants_revisions: bool = False
    kit: KitAlong | None = None
    loan: Loan | None = None
    had: int = 0
    rest: Decision | None = None

    @property
    def claims(self) -> tuple[Pick, ...]:
        """Everything that is to be claimed: the picks, then the unit that is lent."""
        return self.picks if self.loan is None or self.loan.pick is None else (*self.picks, self.loan.pick)

    @property
    def parts(self) -> tuple[Decision, ...]:
        """This one, and those about the rest, in the order in which they are carried out."""
        return (self, *self.rest.parts) if self.rest is not None else (self,)

    @property
    def wanted(self) -> int:
        """Units that it is about, with the rest."""
        return sum(part.quantity for part in self.parts)

    @property
    def held_until(self) -> datetime:
        """Until when what is claimed is held: by then it is committed, or the approval that it waits for is settled."""
        return self.awaits.deadline if self.awaits else self.decided_at + timedelta(minutes=self.hold_minutes)

    @property
    def chosen(self) -> Candidate | None:
        """The candidate to reserve; None unless the outcome is RESERVE."""
        return self.candidates[0] if self.outcome is Outcome.RESERVE else None

    @property
    def due_at(self) -> datetime | None:
        """Until when an arrival is in time; None when nothing says so."""
        return self.until.at

    @property
    def margin_minutes(self) -> int | None:
        """Minutes between arrival and due time, negative when late; None without a due time or a choice."""
        expected = [item.arrives_at for item in (self.picks or self.orders)]
        arrival = max((at for at in expected if at is not None), default=None)
        if arrival is None or self.due_at is None:
            return None
        return int((self.due_at - arrival).total_seconds() // 60)

    def with_instead(self, instead: Mapping[int, str]) -> Decision:
        """The same with what is left to those whose units are taken, by reservation; the text says it as well."""
        if not self.taken_from:
            return self
        taken = tuple(replace(item, instead=instead.get(item.reservation_id, "")) for item in self.taken_from)
        told = "".join(f" {item.ticket}: {item.instead.rstrip('.')}." for item in taken if item.instead)
        return replace(self, taken_from=taken, text=f"{self.text}{told}")

    def explanation(self) -> dict[str, Any]:
        """Everything above as JSON values, as people and programs read it."""
        return told(self.recorded())

    def recorded(self) -> dict[str, Any]:
        """The same as it is recorded, which `told` makes the explanation of; bounded by the number of shelves.

        Candidates are in it as they were compared: of what one lost by only the figures.
        """
        return {
            "outcome": self.outcome,
            "reason": self.reason,
            "text": self.text,
            "rule": self.rule,
            "policy_version": self.policy_version,
            "decided_at": instant_text(self.decided_at),
            "inputs": entries(self.inputs),
            "product_id": self.product_id,
            "quantity": self.quantity,
            "had": self.had,
            "total": self.had + self.wanted,
            "rest": self.rest.recorded() if self.rest is not None else None,
            "revision": self.revision,
            "sla": {
                "due_at": instant_text(self.due_at) if self.due_at else None,
                "basis": self.until.basis,
                "margin_minutes": self.margin_minutes,
                "stated_at": instant_text(self.until.stated_at) if self.until.stated_at else None,
                "computed_at": instant_text(self.until.computed_at) if self.until.computed_at else None,
                "computed_basis": None if self.until.computed_basis == self.until.basis else self.until.computed_basis,
                "difference_minutes": self.until.difference_minutes,
                "tolerance_minutes": self.until.tolerance_minutes,
                "is_disputed": self.until.is_disputed,
            },
            "channel": self.channel.explained() if self.channel else None,
            "authorisation": {
                "text": self.authorisation,
                "deadline_at": instant_text(self.awaits.deadline) if self.awaits else None,
            },
            "site": {"access": self.access, "delivery": self.delivery},
            "candidates": recorded_of(self.candidates),
            "losers": [losers.recorded() for losers in self.losers],
            "ladder": [rung.recorded() for rung in self.ladder],
            "kit": self.kit.explained() if self.kit else None,
            "orders": [order.explained() for order in self.orders],
            "approval": self.approval,
            "assumed": [assumption.explained() for assumption in self.assumed],
            "follows": self.follows.explained() if self.follows else None,
            "drawn": {purpose.value: units for purpose, units in self.drawn.items()},
            "taken_from": [taken.explained() for taken in self.taken_from],
            "recovery": self.recovery,
            "group": self.group.explained() if self.group else None,
            "loan": self.loan.recorded() if self.loan else None,
        }
