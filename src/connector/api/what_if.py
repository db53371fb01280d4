"""What the rules would decide: for a ticket or a draft of one, under the active policy or a draft of one."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

import yaml

from connector.api.context import Reader
from connector.model.marks import QUICK_LOADER, Mark
from connector.rules.policy.reading import InvalidPolicy, Policy, Problem, read_policy
from connector.rules.sourcing.decision import Decision
from connector.storage.facts.facts import sourcing_facts
from connector.storage.facts.what_if import TicketDraft, draft_facts
from connector.storage.tickets.decide import foresee

LONGEST_POLICY = 100_000
"""Characters of a draft; the shipped policy has a few thousand."""
LARGEST_POLICY = 20_000
"""Nodes of a draft with every alias written out: a short text of aliases of aliases can mean billions."""


@dataclass(frozen=True, slots=True)
class WhatIfDecisions:
    """What would be decided, and what the active policy decides on the same facts at the same moment."""

    decision: Decision
    active: Decision


async def what_if(
    reader: Reader, ticket: int | TicketDraft, active: Policy, *, policy_text: str | None, now: datetime
) -> WhatIfDecisions:
    """Decide without doing anything, on the facts of the reader's snapshot.

    ticket: the id of one, or a draft. policy_text: a draft of a policy; the active one decides when None.
    Raises NotKnown for a ticket that does not exist, InvalidDraft and InvalidPolicy for drafts with mistakes.
    """
    policy = active if policy_text is None else await asyncio.to_thread(draft_policy, policy_text)
    async with reader.exclusively:
        tx = await reader.snapshot()
        facts = await (draft_facts(tx, ticket) if isinstance(ticket, TicketDraft) else sourcing_facts(tx, ticket))
        decision = await foresee(tx, facts, policy, now)
        return WhatIfDecisions(decision, decision if policy is active else await foresee(tx, facts, active, now))


def draft_policy(text: str) -> Policy:
    """The policy in a text that somebody sent. Raises InvalidPolicy, also for one of unreasonable size."""
    if len(text) > LONGEST_POLICY:
        raise _too_large(f"has {len(text):,} characters, {LONGEST_POLICY:,} are allowed")
    try:
        root = yaml.compose(text, Loader=QUICK_LOADER)
        size = _size(root, {}) if root is not None else 0
    except (yaml.YAMLError, RecursionError):
        return read_policy(text)  # says where
    if size > LARGEST_POLICY:
        raise _too_large(f"has {size:,} entries with its aliases written out, {LARGEST_POLICY:,} are allowed")
    return read_policy(text)


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Nodes at and below one, those behind aliases counted each time; endless for one that contains itself."""
    if id(node) not in known:
        known[id(node)] = LARGEST_POLICY + 1  # until it is counted: met again below itself, it is endless
        match node:
            case yaml.SequenceNode():
                below = node.value
            case yaml.MappingNode():
                below = [part for pair in node.value for part in pair]
            case _:
                below = []
        known[id(node)] = 1 + sum(_size(part, known) for part in below)
    return known[id(node)]


def _too_large(what: str) -> InvalidPolicy:
    return InvalidPolicy("policy", [Problem(Mark(1, 1), "", what)])
