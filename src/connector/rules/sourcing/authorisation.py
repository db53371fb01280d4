"""What a decision needs somebody's yes for, and what it may not do because somebody said no. Pure."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from connector.model.frozen import frozen
from connector.model.kinds import Lane
from connector.rules.facts.facts import SourcingFacts
from connector.rules.policy.approvals import PERSON, Terms, is_waived, request_of, terms_of, told
from connector.rules.policy.channels import Channel
from connector.rules.policy.conditions import Scope
from connector.rules.policy.document import Policy, Rule, Step
from connector.rules.sourcing.decision import Decision


@frozen
class Authorisation:
    """name, awaits: the approval that is needed, and its terms; None when none is. text: which, or why none."""

    name: str | None = None
    awaits: Terms | None = None
    text: str = ""


NOTHING_NEEDED: Final = Authorisation()


def authorise(
    decision: Decision, policy: Policy, facts: SourcingFacts, scope: Scope, channel: Channel | None
) -> Authorisation:
    """What claiming or ordering units needs.

    decision: its `approval` names what its rule or rung asks for; where that is nothing, break-glass stock needs what
    the policy says of it.
    """
    lanes = [lane for pick in decision.picks for lane in pick.lanes]
    name = decision.approval
    if name is None and policy.break_glass is not None and Lane.BREAK_GLASS in lanes:
        name = policy.break_glass.approval
    if name is None or not (decision.picks or decision.orders):
        return NOTHING_NEEDED
    if channel is not None and channel.stated.skips_approvals:
        return Authorisation(text=f"approval {name!r} is skipped by red channel {channel.facts.name!r}")
    approval = policy.approvals[name]
    request = request_of(
        "reservation" if decision.picks else "procurement",
        cost_cents=cost_of(decision, facts),
        quantity=decision.quantity,
        lane=_strictest(lanes),
    )
    if is_waived(approval, scope, request):
        return Authorisation(text=f"approval {name!r} is given by the policy: {approval.auto_approve_when}")
    terms = terms_of(name, approval, decision.decided_at, policy.sourcing.default_time_zone)
    return Authorisation(name, terms, f"waits for {told(name, approval)}, until {terms.deadline:%Y-%m-%d %H:%M}Z")


def _strictest(lanes: Collection[Lane]) -> str:
    """The lane that an approval is about, of those that stock comes from; "" where none comes from any."""
    return Lane.BREAK_GLASS.value if Lane.BREAK_GLASS in lanes else next((lane.value for lane in lanes), "")


def terms_of_draw(policy: Policy, at: datetime) -> Terms | None:
    """What a person who draws on break-glass stock waits for; None where the policy says nothing of it."""
    if policy.break_glass is None:
        return None
    name = policy.break_glass.approval
    return terms_of(name, policy.approvals[name], at, policy.sourcing.default_time_zone)


def cost_of(decision: Decision, facts: SourcingFacts) -> int:
    """What a decision costs in cents: the way of what it chose, and the value of the units; or its order."""
    if not decision.picks:
        return sum(order.cost_cents or 0 for order in decision.orders)
    way = decision.chosen.cost_cents if decision.chosen else 0
    return way + (facts.product.unit_cost_cents or 0 if facts.product else 0) * decision.quantity


def steps_for(policy: Policy, rule: Rule, channel: Channel | None) -> Sequence[Step]:
    """The rungs of a rule's ladder for a ticket: in a red channel with the lanes that it adds."""
    return policy.steps_of(rule, () if channel is None else channel.stated.lanes or ())


def is_refused(name: str | None, facts: SourcingFacts) -> bool:
    """Whether somebody has refused this approval for the ticket, or nobody has answered in time."""
    return name is not None and name in facts.refusals


def stops(facts: SourcingFacts) -> bool:
    """Whether an approval was refused after which a person decides, as the policy said when it was asked for."""
    return PERSON in facts.refusals.values()


def refused_text(facts: SourcingFacts, rule: str) -> str:
    """Says which approvals were refused."""
    names = ", ".join(repr(name) for name in facts.refusals)
    return f"Of what rule {rule!r} would do, approval {names} was refused for this ticket."
