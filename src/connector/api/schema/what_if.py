"""`whatIf`: a decision that is only looked at."""

from datetime import datetime
from typing import Annotated, Any

import strawberry

from connector.api.context import Info
from connector.api.permissions import require_facts, require_reach
from connector.api.schema.explaining import explanation_of
from connector.api.schema.explanation import Explanation
from connector.api.schema.nodes import key_of
from connector.api.schema.refusals import Refusal, refusal_of
from connector.api.what_if import what_if
from connector.model.errors import ConnectorError, InvalidDraft, InvalidInput
from connector.model.kinds import Priority, TicketType
from connector.storage.facts.what_if import TicketDraft

EARLIEST, LATEST = 1970, 2200
"""Years between which a question may lie."""


@strawberry.input(description="A ticket as it might be opened. Everything may be left out.")
class TicketDraftInput:
    """Input of `whatIf`."""

    type: TicketType = strawberry.field(default=TicketType.INCIDENT, description="Its ITIL type.")
    priority: Priority | None = strawberry.field(default=None, description="P1 is the most urgent.")
    title: str = strawberry.field(default="", description="Its subject.")
    description: str | None = strawberry.field(default=None, description="What was written.")
    category: str | None = strawberry.field(default=None, description="Its category.")
    requester: str | None = strawberry.field(default=None, description="Who asks.")
    assignee: str | None = strawberry.field(default=None, description="Who works on it.")
    source: str = strawberry.field(default="", description="Name of the system that it would come from.")
    asset_id: strawberry.ID | None = strawberry.field(default=None, description="The device that is affected.")
    product_id: strawberry.ID | None = strawberry.field(
        default=None, description="The product that is needed, when no device is named."
    )
    site_id: strawberry.ID | None = strawberry.field(
        default=None, description="The place that is affected; the device's when null."
    )
    asset_hint: str | None = strawberry.field(default=None, description="What a source calls a device nobody knows.")
    product_hint: str | None = strawberry.field(default=None, description="What a source calls a product nobody knows.")
    site_hint: str | None = strawberry.field(default=None, description="What a source calls a place nobody knows.")
    opened_at: datetime | None = strawberry.field(
        default=None, description="When it would be opened; the moment of the decision when null."
    )
    sla_due_at: datetime | None = strawberry.field(
        default=None, description="Until when it must be restored; what the service class says when null."
    )
    quantity: int = strawberry.field(default=1, description="How many units it needs.")


@strawberry.type(description="Answer of `whatIf`.")
class WhatIf:
    """A decision that was not carried out, or why there is none."""

    explanation: Explanation | None = strawberry.field(
        default=None, description="What would be decided, and why; null when it was refused."
    )
    active: Explanation | None = strawberry.field(
        default=None,
        description="What the active policy decides on the same facts, to compare with; the same when no policy is "
        "given, null when it was refused.",
    )
    errors: list[Refusal] = strawberry.field(
        default_factory=list, description="What is wrong with the question; empty when it was answered."
    )


async def resolve_what_if(
    info: Info,
    ticket_id: Annotated[strawberry.ID | None, strawberry.argument(description="A ticket; or else `draft`.")] = None,
    draft: Annotated[TicketDraftInput | None, strawberry.argument(description="A ticket that does not exist.")] = None,
    policy: Annotated[
        str | None, strawberry.argument(description="Text of a draft, YAML; the active policy decides when null.")
    ] = None,
    at: Annotated[
        datetime | None, strawberry.argument(description="The moment of the decision; now when null.")
    ] = None,
) -> WhatIf:
    """Answer `whatIf`."""
    context = info.context
    now = at or context.clock.now()
    try:
        require_reach(context.principal, "whatIf")
        require_facts(context.principal, context.reader.sight, "whatIf")
        _check_moment(at)
        asked, active = _asked(ticket_id, draft, now), await context.active_policy()
        found = await what_if(context.reader, asked, active, policy_text=policy, now=now)
    except ConnectorError as error:
        return WhatIf(errors=[refusal_of(error)])
    return WhatIf(
        explanation=explanation_of(found.decision.explanation()), active=explanation_of(found.active.explanation())
    )


def _check_moment(at: datetime | None) -> None:
    problems = _outside(("at", at))
    if problems:
        raise InvalidInput(problems[0])


def _asked(ticket_id: strawberry.ID | None, draft: TicketDraftInput | None, now: datetime) -> int | TicketDraft:
    if (ticket_id is None) == (draft is None):
        raise InvalidInput("whatIf needs either `ticketId` or `draft`, and only one of them")
    if draft is None:
        return key_of(str(ticket_id), entity="ticket")
    values: dict[str, Any] = {
        name: getattr(draft, name)
        for name in TicketDraft.__dataclass_fields__
        if hasattr(draft, name) and not name.endswith("_id")
    }
    keys, problems = _keys(draft)
    problems += _outside(("draft.openedAt", draft.opened_at), ("draft.slaDueAt", draft.sla_due_at))
    if problems:
        raise InvalidDraft(f"the draft cannot be decided about: {'; '.join(problems)}", problems=problems)
    return TicketDraft(**values | keys | {"opened_at": draft.opened_at or now})


def _outside(*times: tuple[str, datetime | None]) -> tuple[str, ...]:
    """Times that no calendar is asked about."""
    return tuple(
        f"{place}: {time:%Y-%m-%d} is not between {EARLIEST} and {LATEST}"
        for place, time in times
        if time is not None and not EARLIEST <= time.year < LATEST
    )


def _keys(draft: TicketDraftInput) -> tuple[dict[str, int], tuple[str, ...]]:
    """The keys in the draft's ids, and every id that is none."""
    keys: dict[str, int] = {}
    problems: list[str] = []
    for entity, text in (("asset", draft.asset_id), ("product", draft.product_id), ("site", draft.site_id)):
        try:
            if text is not None:
                keys[f"{entity}_id"] = key_of(text, entity=entity)
        except InvalidInput as error:
            problems.append(f"draft.{entity}Id: {error}")
    return keys, tuple(problems)
