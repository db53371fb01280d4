"""Decisions that get units from outside: a supplier's offer that was chosen, or a place in the queue for stock."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime, timedelta

from connector.model.kinds import ProcurementKind
from connector.model.lifecycle import ProcurementState
from connector.rules.arrival.timetable import instant_of
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.ticket import ProductFacts
from connector.rules.policy.document import Policy, Step
from connector.rules.sourcing.decision import Decision, Order, Outcome, Reason
from connector.rules.sourcing.descent import Asked


def procured(
    ended: Callable[[Outcome, Reason, str], Decision],
    facts: SourcingFacts,
    product: ProductFacts,
    policy: Policy,
    asked: Asked,
    approval: str | None,
) -> Decision:
    """The decision to take the best offer of a rung. ended: makes a decision without a choice of stock."""
    offer = asked.best
    if offer is None:
        raise AssertionError("chosen only with an offer")
    supplier = policy.sourcing.suppliers[offer.supplier]
    order = Order(
        kind=offer.kind,
        product_id=product.id,
        quantity=facts.quantity,
        supplier=offer.supplier,
        expected_at=instant_of(offer.expected),
        arrives_at=instant_of(offer.arrives),
        cost_cents=offer.cost_cents,
        currency=policy.sourcing.currency,
        hub_id=offer.hub_id,
        contact=supplier.contact,
        via=supplier.via,
    )
    does = "replaces it in advance" if offer.kind is ProcurementKind.VENDOR_REPLACEMENT else "sells one"
    known = f" (on order, {offer.known.state.value})" if offer.known else ""
    late = ", after the due time" if offer.is_late else ""
    text = f"{offer.supplier} {does}, at the site at {instant_of(offer.arrives):%Y-%m-%d %H:%M}Z{late}{known}."
    decided = ended(Outcome.PROCURE, Reason(offer.kind.value), text)
    is_settled = offer.known is not None and offer.known.state is not ProcurementState.REQUESTED
    return replace(decided, orders=(order,), approval=None if is_settled else asked.step.rung.approval or approval)


def backordered(
    ended: Callable[[Outcome, Reason, str], Decision],
    facts: SourcingFacts,
    product: ProductFacts,
    step: Step,
    now: datetime,
) -> Decision:
    """The decision to wait for stock. The date is the one that was told before, as long as it is not over."""
    hours = step.rung.expected_hours
    told = next(
        (past.expected_at for past in facts.procurements if past.is_open and past.kind is ProcurementKind.BACKORDER),
        None,
    )
    expected_at = told if told is not None and told > now else None
    if expected_at is None and hours is not None:
        expected_at = (now + timedelta(hours=hours)).replace(second=0, microsecond=0)
    order = Order(
        kind=ProcurementKind.BACKORDER, product_id=product.id, quantity=facts.quantity, expected_at=expected_at,
        arrives_at=expected_at,
    )  # fmt: skip
    when = "nobody can say when" if expected_at is None else f"expected at {expected_at:%Y-%m-%d %H:%M}Z"
    text = f"No hub has a unit of {product.label!r} that may be used: the ticket waits for stock, {when}."
    return replace(ended(Outcome.PROCURE, Reason.BACKORDER, text), orders=(order,))
