"""Loans: a unit that bridges the time until the replacement is there, for tickets whose rule lends one. Pure.

What the ladder came to stays as it is: the loan is beside it. A ticket has one loan, ever, so that a unit never goes
back and forth between a ticket that waits and the pool.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

from connector.model.frozen import but, frozen
from connector.rules.arrival.timetable import instant_of, moment_text
from connector.rules.facts.shelves import Holding
from connector.rules.facts.standing import LoanFacts
from connector.rules.policy.conditions import ConditionFailed, Facts
from connector.rules.policy.document import Mode, Rule
from connector.rules.policy.loaners import Loaner
from connector.rules.sourcing.candidates import Found
from connector.rules.sourcing.comparison import candidates_of, duration_text, losers_of
from connector.rules.sourcing.decision import Decision, Outcome, Reason
from connector.rules.sourcing.loan import Loan, LoanOutcome
from connector.rules.sourcing.picks import Pick
from connector.rules.sourcing.quest import Quest
from connector.rules.sourcing.ranking import ARRIVES
from connector.rules.sourcing.substitutes import substitutes_of

_WAYS: Final = {Mode.DRIVE: "by car", Mode.COURIER: "by courier", Mode.TECHNICIAN: "by a technician who collects it"}
_NOBODY_HAS: Final = frozenset(
    {
        Reason.NO_COMPATIBLE_STOCK, Reason.NOTHING_ALLOWED, Reason.NOTHING_REACHABLE, Reason.LADDER_SAYS_PERSON,
        Reason.APPROVAL_REFUSED,
    }
)  # fmt: skip
"""Why a person is asked about a ticket that needs a unit and gets none."""


@frozen
class _Gap:
    """The time to be bridged. until: when the replacement is there; None when nobody knows."""

    until: datetime | None


def bridged(decision: Decision, rule: Rule, quest: Quest, condition_facts: Facts) -> Decision:
    """The decision with the unit that is lent until what it came to is there, or with why none is."""
    lending = quest.policy.lending_of(rule)
    if rule.loaner is None or lending is None or quest.facts.recovery is not None:
        return decision
    gap = _gap(decision)
    if gap is None:
        return decision
    return but(decision, loan=_loan(decision, gap, rule.loaner, lending, quest, condition_facts))


def settled(decision: Decision, loan: LoanFacts) -> Decision:
    """A decision about a ticket that has, or had, a loan: one that has not left goes back where it is not needed."""
    if decision.loan is not None and decision.loan.outcome is LoanOutcome.KEPT:
        return decision
    if loan.is_out:
        return replace(decision, loan=_kept(loan))
    if not loan.is_at_hub:
        return decision
    if decision.outcome is Outcome.REVIEW:
        return replace(decision, loan=_kept(loan))
    why = "the replacement is there in time" if decision.outcome is Outcome.RESERVE else "nothing is to be bridged"
    return replace(decision, loan=Loan(LoanOutcome.GIVEN_BACK, f"The loan is given back: {why}."))


def _gap(decision: Decision) -> _Gap | None:
    """What a decision leaves to be bridged; None when its unit comes from stock and in time."""
    match decision.outcome:
        case Outcome.RESERVE:
            arrives = max(pick.arrives_at for pick in decision.picks)
            if decision.due_at is None or arrives <= decision.due_at:
                return None
            return _Gap(arrives)
        case Outcome.PROCURE:
            times = [order.arrives_at for order in decision.orders if order.arrives_at is not None]
            return _Gap(max(times, default=None))
        case Outcome.REVIEW if decision.reason in _NOBODY_HAS:
            return _Gap(None)
    return None


def _bridges(decision: Decision, gap: _Gap) -> str:
    """Why there is a gap, for people."""
    if decision.outcome is Outcome.REVIEW:
        return "there is no replacement yet, and a person decides"
    there = moment_text(gap.until) if gap.until is not None else None
    if decision.outcome is Outcome.RESERVE:
        return f"the replacement arrives at {there}, after the due time"
    when = f"is expected at {there}" if there else "nobody can say when"
    return f"the replacement comes from outside ({decision.reason.value}), {when}"


def _loan(decision: Decision, gap: _Gap, loaner: Loaner, lending: Rule, quest: Quest, condition_facts: Facts) -> Loan:
    facts = quest.facts
    try:
        if loaner.condition is not None and not loaner.condition.holds(condition_facts):
            return _none(f"only when {loaner.when}")
    except ConditionFailed as error:
        return _none(f"its condition cannot be evaluated: {error}")
    if facts.loan is not None:
        is_open = facts.loan.is_out or facts.loan.is_at_hub
        return _kept(facts.loan) if is_open else _none(f"the ticket had its loan, which is {facts.loan.state.value}")
    if facts.had + facts.quantity > 1:
        return _none(f"the ticket needs {facts.had + facts.quantity} units, and a loan is one")
    preferences, refused = substitutes_of(facts, lending, condition_facts)
    holdings = tuple(_left(quest.holdings, decision, lending))
    looking = replace(
        quest, holdings=holdings, preferences={**preferences, quest.product.id: 0}, refused=refused
    )  # fmt: skip
    found = looking.look(lending, holdings)
    return _lent(decision, gap, loaner, lending, looking, found) if found.best else _none(_nothing(found))


def _lent(decision: Decision, gap: _Gap, loaner: Loaner, lending: Rule, quest: Quest, found: Found) -> Loan:
    ranking = found.searching.ranking
    arrives = instant_of(found.best[0][ARRIVES])
    if gap.until is not None and arrives > gap.until - loaner.gain:
        least = duration_text(int(loaner.gain.total_seconds()) // 60)
        soonest, there = moment_text(arrives), moment_text(gap.until)
        return _none(f"the soonest, at {soonest}, is not {least} before the replacement, at {there}")
    candidates = candidates_of(found, ranking, quest.facts, quest.now)
    chosen = candidates[0]
    latest = (quest.now + timedelta(days=loaner.max_days)).replace(second=0, microsecond=0)
    due = latest if gap.until is None else min(latest, gap.until + timedelta(days=loaner.return_days))
    pick = Pick(
        hub_id=chosen.hub_id,
        product_id=chosen.product_id,
        requested_product_id=quest.product.id,
        lane=chosen.lane,
        quantity=1,
        arrives_at=chosen.arrives_at,
    )
    text = (
        f"A unit on loan from {chosen.hub} bridges the gap, there {_WAYS[chosen.mode]} at "
        f"{moment_text(chosen.arrives_at)}: {_bridges(decision, gap)}. "
        f"It is due back {_days(loaner.return_days)} after the replacement is there, "
        f"by {moment_text(due)} as things stand."
    )
    return Loan(
        outcome=LoanOutcome.LENT,
        text=text,
        pick=pick,
        candidates=candidates,
        losers=losers_of(found, ranking),
        due_back_at=due,
        return_days=loaner.return_days,
        held_until=quest.now + timedelta(minutes=lending.hold_minutes),
    )


def _left(holdings: Iterable[Holding], decision: Decision, lending: Rule) -> Iterable[Holding]:
    """The shelves whose units may be lent, without what the ticket is given for good."""
    for holding in holdings:
        if holding.lane not in lending.lanes:
            continue
        for pick in decision.picks:
            if not pick.takes and (pick.product_id, pick.lane) == (holding.product_id, holding.lane):
                holding = holding.less(pick.hub_id, pick.quantity)
        if holding.free or holding.kept:
            yield holding


def _nothing(found: Found) -> str:
    refused = "; ".join(f"{len(hubs)} × {refusal.text}" for refusal, hubs in found.refused.items())
    return f"none can be brought: {refused}" if refused else "no hub has a free unit to lend"


def _kept(loan: LoanFacts) -> Loan:
    where = "reserved for the ticket" if loan.is_at_hub else "with the ticket"
    text = f"The unit on loan is {where} already (loan {loan.id}), due back at {moment_text(loan.due_back_at)}."
    return Loan(LoanOutcome.KEPT, text, due_back_at=loan.due_back_at)


def _none(why: str) -> Loan:
    return Loan(LoanOutcome.NONE, f"Nothing is lent: {why}.")


def _days(count: int) -> str:
    return "1 day" if count == 1 else f"{count} days"
