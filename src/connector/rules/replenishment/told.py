"""A proposal as it is kept and told: the numbers of the shelf, every hub and supplier looked at, why each lost."""

from __future__ import annotations

from typing import Any, Final

from connector.model.kinds import Lane
from connector.rules.replenishment.plan import Giver, Proposal, Seller

MOST_TOLD: Final = 25
"""Hubs that an explanation names, the nearest first, beside those that give."""


def text_of(proposal: Proposal) -> str:
    """What is proposed, in a sentence for people."""
    shelf = proposal.shelf
    lane = "" if shelf.lane is Lane.NORMAL else f" ({shelf.lane.value.replace('_', '-')})"
    target = "" if shelf.target is None else f", target {shelf.target}"
    coming = f", {shelf.coming} coming" if shelf.coming else ""
    need = (
        f"{shelf.hub.label}{lane} has {shelf.free} free of {shelf.product.label}{coming}, "
        f"reorder point {shelf.reorder_point}{target}"
    )
    parts = [f"{item.takes} from {item.shelf.hub.label}{_away(item)}" for item in proposal.transfers]
    seller = proposal.purchase
    if seller is not None:
        parts.append(f"{seller.takes} bought from {seller.name}")
    missing = proposal.quantity - proposal.transfer_quantity - proposal.purchase_quantity
    if missing:
        parts.append(f"{missing} from nowhere: {_why_not(proposal)}")
    return f"{need}: {', '.join(parts)}."


def explanation_of(proposal: Proposal) -> dict[str, Any]:
    """The proposal as JSON, see docs/replenishment.md."""
    told = [item for index, item in enumerate(proposal.givers) if item.takes or index < MOST_TOLD]
    return {
        "text": text_of(proposal),
        "rule": proposal.rule.name,
        "act": proposal.rule.act.value,
        "policy_version": proposal.policy_version,
        "quantity": proposal.quantity,
        "candidates": [*map(_of_giver, told), *map(_of_seller, proposal.sellers)],
        "left_out": len(proposal.givers) - len(told),
    }


def _why_not(proposal: Proposal) -> str:
    hubs = next((item.why for item in proposal.givers if item.why and not item.takes), None)
    given = "hubs have given what they can" if proposal.transfers else None
    moved = given or (f"{proposal.givers[0].shelf.hub.label} {hubs}" if hubs else "no hub above has any")
    sold = next((f"{item.name} {item.why}" for item in proposal.sellers if item.why), None)
    return f"{moved}; {sold or 'no supplier offers purchase'}"


def _away(item: Giver) -> str:
    return "" if item.distance_km is None else f", {item.distance_km} km away"


def _of_giver(item: Giver) -> dict[str, Any]:
    return {
        "kind": "transfer",
        "name": item.shelf.hub.label,
        "hub_id": item.shelf.hub.id,
        "tier": item.shelf.hub.tier.value,
        "distance_km": item.distance_km,
        "free": item.shelf.free,
        "keeps": item.shelf.keeps,
        "can_give": item.shelf.can_give,
        "takes": item.takes,
        "why": item.why or None,
    }


def _of_seller(item: Seller) -> dict[str, Any]:
    at = item.expected_at
    return {
        "kind": "purchase",
        "name": item.name,
        "cost_cents": item.cost_cents,
        "expected_at": None if at is None else at.isoformat().replace("+00:00", "Z"),
        "takes": item.takes,
        "why": item.why or None,
    }
