"""Whether a decision that claims nothing says the same as the one before it: the same choice for the same reasons.

What only moves with the clock, arrival times and texts that name them, does not count; facts of the ticket do.
"""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any, Final

import orjson

from connector.rules.sourcing.candidate import Losers
from connector.rules.sourcing.decision import Decision
from connector.rules.sourcing.kits import INCOMPLETE

_BYTES: Final = 16


_PASSING: Final = frozenset({"warranty_days_left", "data_quality"})
"""Inputs that only move with the clock, or from day to day with the records of others."""


def grounds_of(decision: Decision) -> str:
    """A fingerprint of what was decided and why; equal for two decisions about a ticket that differ in times alone.

    Of shelves that lost each counts once with its reason, however many claims on it did.
    """
    grounds: dict[str, Any] = {
        "outcome": decision.outcome.value,
        "reason": decision.reason.value,
        "rule": decision.rule,
        "policy": decision.policy_version,
        "inputs": {name: _lasting(fields) for name, fields in decision.inputs.items()},
        "needs": [decision.product_id, decision.quantity, decision.revision, decision.had],
        "stated_due_at": decision.until.stated_at,
        "channel": decision.channel.facts.id if decision.channel else None,
        "approval": decision.approval,
        "orders": sorted(
            [order.kind.value, order.product_id, order.quantity, order.supplier, order.hub_id or 0]
            for order in decision.orders
        ),
        "losers": sorted({(_why(losers), hub) for losers in decision.losers for hub in losers.hubs}),
        "ladder": [[rung.number, rung.outcome.value] for rung in decision.ladder],
        "assumed": [assumption.fact for assumption in decision.assumed],
        "follows": decision.follows.explained() if decision.follows else None,
        "recovery": decision.recovery,
        "group": decision.group.explained() if decision.group else None,
        "loan": decision.loan.outcome.value if decision.loan else None,
        "text": "" if decision.losers or decision.orders or decision.recovery else decision.text,
    }
    return blake2b(orjson.dumps(grounds, option=orjson.OPT_SORT_KEYS), digest_size=_BYTES).hexdigest()


def _lasting(fields: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in _PASSING}


def _why(losers: Losers) -> str:
    """The code of a reason; of an incomplete kit with what is lacking."""
    return losers.text if losers.code == INCOMPLETE else losers.code
