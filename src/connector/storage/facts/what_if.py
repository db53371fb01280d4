"""The facts of a ticket that does not exist: what would be decided if somebody opened it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, cast

from sqlalchemy import Alias, Select, bindparam, select
from sqlalchemy.ext.asyncio import AsyncConnection
from sqlalchemy.sql.visitors import replacement_traverse

from connector.model.errors import InvalidDraft
from connector.model.kinds import Priority, TicketType
from connector.model.lifecycle import TicketState
from connector.rules.facts.facts import SourcingFacts
from connector.storage.facts.facts import facts_of
from connector.storage.facts.ticket_row import AROUND_TICKETS
from connector.storage.tables import ticket

NO_TICKET = 0
"""Id of a draft; tickets are numbered from 1."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TicketDraft:
    """A ticket as it might be opened. Ids are the hub's; source: the name of a system, "" for none."""

    number: str = "draft"
    type: TicketType = TicketType.INCIDENT
    priority: Priority | None = None
    title: str = ""
    description: str | None = None
    category: str | None = None
    requester: str | None = None
    assignee: str | None = None
    source: str = ""
    asset_id: int | None = None
    product_id: int | None = None
    site_id: int | None = None
    asset_hint: str | None = None
    product_hint: str | None = None
    site_hint: str | None = None
    opened_at: datetime | None = None
    sla_due_at: datetime | None = None
    quantity: int = 1


_FIELDS = (
    "number", "type", "priority", "title", "description", "category", "requester", "assignee", "asset_id",
    "product_id", "site_id", "asset_hint", "product_hint", "site_hint", "opened_at", "sla_due_at",
)  # fmt: skip
_draft = select(*(bindparam(f"draft_{c.name}", None, type_=c.type).label(c.name) for c in ticket.c)).subquery("draft")


def _in_its_place(element: Any, **_: Any) -> Any:
    """The draft for the table of tickets, and the draft's columns for its columns; other tickets stay what they are."""
    if isinstance(element, Alias):
        return element
    if element is ticket:
        return _draft
    return _draft.c[element.name] if getattr(element, "table", None) is ticket else None


_STATEMENT: Select[Any] = cast("Select[Any]", replacement_traverse(AROUND_TICKETS, {}, _in_its_place))
"""What is asked about a ticket, asked about a draft: they cannot drift apart."""


async def draft_facts(tx: AsyncConnection, draft: TicketDraft) -> SourcingFacts:
    """Everything that the rules would look at, as it is now; nothing is written.

    Raises InvalidDraft with every mistake: things that do not exist, a product that is not the asset's.
    """
    values = {f"draft_{name}": getattr(draft, name) for name in _FIELDS}
    values |= {"draft_id": NO_TICKET, "draft_state": TicketState.NEW, "line": 1}
    row = (await tx.execute(_STATEMENT, values)).mappings().one()
    problems = _problems(draft, row)
    if problems:
        raise InvalidDraft(f"the draft cannot be decided about: {'; '.join(problems)}", problems=problems)
    [facts] = await facts_of(tx, [row])
    return replace(facts, ticket=replace(facts.ticket, source=draft.source), quantity=draft.quantity)


def _problems(draft: TicketDraft, row: Any) -> tuple[str, ...]:
    found = [
        f"draft.{field}: there is no such {what}"
        for field, what, given, known in (
            ("assetId", "asset", draft.asset_id, row["a_id"]),
            ("productId", "product", draft.product_id, row["p_id"]),
            ("siteId", "site", draft.site_id, row["s_id"]),
        )
        if given is not None and known is None
    ]
    if draft.product_id is not None and row["p_id"] not in (None, draft.product_id):
        label = f"{row['p_manufacturer']} {row['p_model']}"
        found.append(f"draft.productId: the asset is a {label!r}, and that is what is needed: leave one of them out")
    if draft.quantity < 1:
        found.append(f"draft.quantity: {draft.quantity} units are none: ask for 1 or more")
    return tuple(found)
