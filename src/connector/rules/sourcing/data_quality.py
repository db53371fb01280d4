"""Whether the data behind a decision is good enough for a rule to decide alone, and what to mend where it is not."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from connector.model.frozen import but, frozen
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.ticket import ProductFacts, SiteFacts
from connector.rules.policy.channels import Channel
from connector.rules.policy.conditions import Scope
from connector.rules.policy.document import Policy, Rule
from connector.rules.sourcing.authorisation import NOTHING_NEEDED, authorise, is_refused, refused_text
from connector.rules.sourcing.decision import Assumption, Decision, Outcome, Reason


@frozen
class Doubts:
    """What is wrong with the data, for people who are to mend it; "" where it is good enough.

    approval: what is asked for then. end: what is decided instead of sourcing anything. assumed: that nobody is asked.
    """

    text: str = ""
    approval: str | None = None
    end: tuple[Outcome, Reason, str] | None = None
    assumed: tuple[Assumption, ...] = ()


NO_DOUBTS: Final = Doubts()


def doubts_of(facts: SourcingFacts, rule: Rule, channel: Channel | None) -> Doubts:
    """What a rule doubts the data for. A red channel that skips approvals skips these as well, and says so."""
    wanted = rule.min_data_quality
    if wanted is None:
        return NO_DOUBTS
    told = " ".join(
        [
            *_below("product", facts.product, wanted.product, rule.name),
            *_below("site", facts.site, wanted.site, rule.name),
        ]
    )
    if not told:
        return NO_DOUBTS
    if channel is not None and channel.stated.skips_approvals:
        skipped = f"{told} Red channel {channel.facts.name!r} asks nobody about that."
        return Doubts(assumed=(Assumption("data_quality", skipped),))
    if is_refused(wanted.approval, facts):
        return Doubts(told, end=(Outcome.REVIEW, Reason.APPROVAL_REFUSED, f"{refused_text(facts, rule.name)} {told}"))
    if wanted.approval is None:
        return Doubts(told, end=(Outcome.REVIEW, Reason.DATA_QUALITY, told))
    return Doubts(told, wanted.approval)


def authorised(
    decision: Decision, policy: Policy, facts: SourcingFacts, scope: Scope, channel: Channel | None, doubts: Doubts
) -> Decision:
    """A decision with the approval that it waits for: that of its rung, rule or lane, else that of doubtful data.

    Whoever answers reads the doubts, whichever of them it is.
    """
    needed = authorise(decision, policy, facts, scope, channel)
    if doubts.approval is not None and (decision.picks or decision.orders):
        if needed.name is None:
            needed = authorise(but(decision, approval=doubts.approval), policy, facts, scope, channel)
        decision = but(decision, text=f"{decision.text} {doubts.text}")
    if needed is NOTHING_NEEDED and decision.approval is None:
        return decision
    return but(decision, approval=needed.name, awaits=needed.awaits, authorisation=needed.text)


def _below(what: str, thing: ProductFacts | SiteFacts | None, least: int | None, rule: str) -> Iterator[str]:
    if least is None or thing is None or (thing.data_quality is not None and thing.data_quality >= least):
        return
    behind, asks = f"behind {what} {thing.label!r}", f"rule {rule!r} asks for {least} %"
    if thing.data_quality is None:
        yield f"Nobody has measured the records {behind} yet, and {asks}: connector quality --measure."
        return
    found = f"Of the records {behind} {thing.data_quality} % have no defect, and {asks}"
    yield f"{found}: {_defects(thing.data_defects or {})} (connector quality --{what} {thing.label!r})."


def _defects(counts: Mapping[str, int]) -> str:
    """What is to be mended, the most first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} × {name.replace('_', ' ')}" for name, count in ordered) or "nobody said which"
