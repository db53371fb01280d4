"""Root fields that read."""

from datetime import datetime
from functools import partial
from typing import Annotated, Any

import strawberry

from connector.api.context import Info
from connector.api.permissions import require_facts, require_reach
from connector.api.plan import Plan
from connector.api.roots import (
    MOST_NODES,
    ROOT,
    asset_root,
    feed_cursor_root,
    me_root,
    named_root,
    node_root,
    nodes_root,
    page_root,
    policy_root,
    row_root,
)
from connector.api.schema.aggregates import AggregateFields
from connector.api.schema.aliases import AliasSuggestion, NameAlias
from connector.api.schema.approvals import Approval, Delegation
from connector.api.schema.catalogue import Compatibility, Kit, Product
from connector.api.schema.channels import RedChannel
from connector.api.schema.data_quality import (
    DataQuality,
    DataQualityTrend,
    resolve_data_quality,
    resolve_trend,
)
from connector.api.schema.explaining import explanation_of
from connector.api.schema.explanation import Explanation
from connector.api.schema.fields import PageArguments
from connector.api.schema.golden import FieldConflict, FieldOverride
from connector.api.schema.groups import IncidentGroup
from connector.api.schema.identities import IdentityReview, MatchExplanation, resolve_explain_match
from connector.api.schema.inventory import Asset, Stock
from connector.api.schema.loans import Loan
from connector.api.schema.me import Me
from connector.api.schema.merges import AssetMerge
from connector.api.schema.nodes import Node, global_id, key_of, parse_global_id
from connector.api.schema.paging import Connection
from connector.api.schema.pickups import Pickup
from connector.api.schema.placements import PlacementConnection, resolve_placements
from connector.api.schema.places import Hub, ServiceClass, Site
from connector.api.schema.policies import Policy
from connector.api.schema.procurement import Procurement
from connector.api.schema.recoveries import Recovery
from connector.api.schema.replenishments import Replenishment
from connector.api.schema.rmas import Rma
from connector.api.schema.rollouts import Rollout, RolloutLine
from connector.api.schema.shipping import Shipment
from connector.api.schema.sources import QuarantinedRecord, Source
from connector.api.schema.syncing import SyncPlan, SyncPlanPage, SyncRun, resolve_page
from connector.api.schema.what_if import WhatIf, resolve_what_if
from connector.api.schema.work import Decision, Reservation, Task, Ticket
from connector.api.weights import COMPUTED, LISTING, WEIGHT
from connector.model.errors import InvalidInput
from connector.storage.database.changes import last_position
from connector.storage.query import Compare, Page, Row
from connector.storage.stock.break_glass import draw_shares
from connector.storage.tickets.decide import explain_ticket


async def _page(info: Info) -> Any:
    return await info.context.reader.page(*Plan.of(info._raw_info).page())


def _listing(entity: str, description: str) -> Any:
    return strawberry.field(
        resolver=_page,
        description=description,
        metadata={ROOT: page_root, LISTING: True},
        extensions=[PageArguments(entity)],
    )


def _single(entity: str, what: str) -> Any:
    async def resolve(info: Info, id: strawberry.ID) -> Any:
        return await info.context.reader.row(Plan.of(info._raw_info).selection(), key_of(id, entity=entity))

    return strawberry.field(
        resolver=resolve,
        description=f"One {what} by its id; null when there is none.",
        metadata={ROOT: partial(row_root, entity)},
    )


async def _asset(
    info: Info,
    id: strawberry.ID,
    at: Annotated[
        datetime | None,
        strawberry.argument(
            description="As it was at this instant, by the change log: null before it was known here. `product`, "
            "`site` and `hub` are those of then as they are now; lists are those of now. Left out, as it is."
        ),
    ] = None,
) -> Asset | None:
    key, selection = key_of(id, entity="asset"), Plan.of(info._raw_info).selection()
    reader = info.context.reader
    found: Any = await (reader.row(selection, key) if at is None else reader.row_at(selection, key, at))
    one: Asset | None = found
    return one


async def _by(info: Info, entity: str, column: str, id: strawberry.ID | None, text: str | None) -> Any:
    if (id is None) == (text is None):
        raise InvalidInput(f"{entity} needs either `id` or `{column}`, and only one of them")
    selection = Plan.of(info._raw_info).selection()
    if id is not None:
        return await info.context.reader.row(selection, key_of(id, entity=entity))
    page = Page(size=2, where=Compare(column, "eq", text), include_retired=True)
    found = await info.context.reader.page(selection, page)
    if len(found.edges) > 1:
        raise InvalidInput(
            f"more than one {entity} has the {column} {text!r}",
            hint="Several systems use it; ask the plural field with a filter for all of them.",
        )
    return found.edges[0].node if found.edges else None


async def _ticket(info: Info, id: strawberry.ID | None = None, number: str | None = None) -> Ticket | None:
    found: Ticket | None = await _by(info, "ticket", "number", id, number)
    return found


async def _rollout(info: Info, id: strawberry.ID | None = None, name: str | None = None) -> Rollout | None:
    found: Rollout | None = await _by(info, "rollout", "name", id, name)
    return found


async def _policy(
    info: Info,
    id: strawberry.ID | None = None,
    version: Annotated[str | None, strawberry.argument(description="Its version, whole.")] = None,
) -> Policy | None:
    selection = Plan.of(info._raw_info).selection()
    if id is None and version is None:
        page = await info.context.reader.page(selection, Page(size=1, where=Compare("is_active", "eq", value=True)))
        found: Any = page.edges[0].node if page.edges else None
    else:
        found = await _by(info, "policy", "version", id, version)
    one: Policy | None = found
    return one


async def _source(info: Info, id: strawberry.ID | None = None, name: str | None = None) -> Source | None:
    found: Source | None = await _by(info, "source", "name", id, name)
    return found


async def _node(info: Info, id: strawberry.ID) -> Node | None:
    found: Node | None = (await _rows(info, [id]))[0]
    return found


async def _nodes(info: Info, ids: list[strawberry.ID]) -> list[Node | None]:
    if len(ids) > MOST_NODES:
        raise InvalidInput(f"{len(ids)} ids are given, {MOST_NODES} are allowed", hint="Ask in several requests.")
    return await _rows(info, ids)


async def _explain(info: Info, ticket_id: strawberry.ID) -> Explanation:
    key = key_of(ticket_id, entity="ticket")
    context = info.context
    require_reach(context.principal, "explain")
    require_facts(context.principal, context.reader.sight, "explain")
    async with context.reader.exclusively:
        snapshot = await context.reader.snapshot()
        decision = await explain_ticket(snapshot, key, context.policy, context.clock.now())
    return explanation_of(decision.explanation())


async def _feed_cursor(info: Info) -> str:
    async with info.context.reader.exclusively:
        return str(await last_position(await info.context.reader.snapshot()))


async def _rows(info: Info, ids: list[strawberry.ID]) -> list[Any]:
    names = [parse_global_id(text) for text in ids]
    found: dict[tuple[str, int], Row] = {}
    for name in dict.fromkeys(name for name, _ in names):
        selection = Plan.of(info._raw_info).selection_of_named(name)
        rows = await info.context.reader.rows(selection, {key for other, key in names if other == name})
        found |= {(name, key): row for key, row in rows.items()}
    return [found.get(name) for name in names]


@strawberry.type(description="Units of a product that hubs of a region gave within the policy's window.")
class BreakGlassUse:
    """How much of it was break-glass stock."""

    region: str | None = strawberry.field(description="Region of the hubs; null for hubs without one.")
    product_id: strawberry.ID = strawberry.field(description="Id of the product, for `node`.")
    product: str = strawberry.field(description="Maker and model.")
    draws: int = strawberry.field(description="Units in all; those that were given back do not count.")
    break_glass: int = strawberry.field(description="Of those, break-glass stock.")
    share: float = strawberry.field(description="That share, 0 to 1.")
    is_alert: bool = strawberry.field(description="Whether it is above the policy's limit.")


async def _break_glass_use(info: Info) -> list[BreakGlassUse]:
    context = info.context
    require_facts(context.principal, context.reader.sight, "breakGlassUse")
    stated = (await context.active_policy()).break_glass
    if stated is None:
        return []
    async with context.reader.exclusively:
        shares = await draw_shares(await context.reader.snapshot(), stated, context.clock.now())
    return [
        BreakGlassUse(
            region=item.region or None,
            product_id=strawberry.ID(global_id("Product", item.product_id)),
            product=item.product,
            draws=item.draws,
            break_glass=item.break_glass,
            share=item.share,
            is_alert=item.is_alert,
        )
        for item in shares
        if context.principal.regions is None or item.region in context.principal.regions
    ]


async def _me(info: Info) -> Me:
    context = info.context
    return Me.of(context.principal, context.fields.hidden_fields(context.principal))


@strawberry.type(description="What can be read.")
class Query(AggregateFields):  # type: ignore[misc]
    """Lists in the plural, single things in the singular, and anything by its global id."""

    service_classes: Connection[ServiceClass] = _listing("service_class", "How long outages may last.")
    sites: Connection[Site] = _listing("site", "Places where hardware is used.")
    hubs: Connection[Hub] = _listing("hub", "Places where spares are held.")
    products: Connection[Product] = _listing("product", "Models of hardware.")
    compatibilities: Connection[Compatibility] = _listing("compatibility", "Which product can stand in for which.")
    kits: Connection[Kit] = _listing("kit", "Bills of materials that ship as one.")
    assets: Connection[Asset] = _listing("asset", "Serialised devices.")
    stock: Connection[Stock] = _listing("stock", "What hubs hold, by product and lane.")
    tickets: Connection[Ticket] = _listing("ticket", "Tickets of all ITSM systems.")
    policies: Connection[Policy] = _listing("policy", "Versions of the policy that decides.")
    decisions: Connection[Decision] = _listing("decision", "What the rules decided.")
    reservations: Connection[Reservation] = _listing("reservation", "Claims of stock.")
    procurements: Connection[Procurement] = _listing(
        "procurement", "What is got from outside for tickets, and tickets in the queue for stock."
    )
    loans: Connection[Loan] = _listing("loan", "Units that are, or were, lent until a replacement is there.")
    replenishments: Connection[Replenishment] = _listing(
        "replenishment", "Shelves that are filled up: proposed, under way, ended."
    )
    rmas: Connection[Rma] = _listing("rma", "Returns of units that have failed.")
    shipments: Connection[Shipment] = _listing("shipment", "Parcels.")
    pickups: Connection[Pickup] = _listing("pickup", "Drivers of couriers who come, or came, to hubs for parcels.")
    approvals: Connection[Approval] = _listing("approval", "Requests for approval.")
    red_channels: Connection[RedChannel] = _listing("red_channel", "Red channels, open and past ones.")
    red_channel: RedChannel | None = _single("red_channel", "red channel")
    delegations: Connection[Delegation] = _listing("delegation", "Who may answer requests for whom.")
    approval: Approval | None = _single("approval", "request for approval")
    tasks: Connection[Task] = _listing("task", "Work for people.")
    incident_groups: Connection[IncidentGroup] = _listing(
        "incident_group", "Tickets that are, or may be, about one cause."
    )
    recoveries: Connection[Recovery] = _listing("recovery", "Parcels that were in trouble, and what was done.")
    rollouts: Connection[Rollout] = _listing("rollout", "Many units for many sites, sent in waves.")
    rollout_lines: Connection[RolloutLine] = _listing("rollout_line", "The parcels of rollouts.")
    name_aliases: Connection[NameAlias] = _listing("name_alias", "Names that stand for what is called otherwise.")
    alias_suggestions: Connection[AliasSuggestion] = _listing(
        "alias_suggestion", "Names that may be of one thing, answered ones too: filter `state: {eq: OPEN}`."
    )
    name_alias: NameAlias | None = _single("name_alias", "alias")
    alias_suggestion: AliasSuggestion | None = _single("alias_suggestion", "suggestion of an alias")
    sources: Connection[Source] = _listing("source", "Configured external systems and how they fare.")
    sync_runs: Connection[SyncRun] = _listing("sync_run", "The history of pulls.")
    sync_plans: Connection[SyncPlan] = _listing("sync_plan", "Plans of syncs that are kept.")
    quarantine: Connection[QuarantinedRecord] = _listing(
        "quarantine", "Records that could not be used, settled ones too: filter `resolvedAt: {isNull: true}`."
    )
    identity_reviews: Connection[IdentityReview] = _listing(
        "identity_review", "Records of which a person has to say which device they are about, answered ones too."
    )
    asset_merges: Connection[AssetMerge] = _listing(
        "asset_merge", "Devices that were made one, those too that were taken back: filter `undoneAt: {isNull: true}`."
    )
    field_conflicts: Connection[FieldConflict] = _listing(
        "field_conflict", "Fields of which sources that have the thing state different values."
    )
    field_overrides: Connection[FieldOverride] = _listing(
        "field_override", "What people said that fields are, released ones too: filter `releasedAt: {isNull: true}`."
    )
    field_conflict: FieldConflict | None = _single("field_conflict", "conflict of a field")
    field_override: FieldOverride | None = _single("field_override", "override of a field")
    explain_match: MatchExplanation = strawberry.field(
        resolver=resolve_explain_match,
        metadata={WEIGHT: COMPUTED},
        description="Why a record of a source is, or would be, taken for which device: every rule that is tried.",
    )
    service_class: ServiceClass | None = _single("service_class", "service class")
    site: Site | None = _single("site", "site")
    hub: Hub | None = _single("hub", "hub")
    product: Product | None = _single("product", "product")
    kit: Kit | None = _single("kit", "kit")
    asset: Asset | None = strawberry.field(
        resolver=_asset,
        description="One asset by its id; null when there is none.",
        metadata={ROOT: asset_root},
    )
    decision: Decision | None = _single("decision", "decision")
    reservation: Reservation | None = _single("reservation", "reservation")
    procurement: Procurement | None = _single("procurement", "procurement")
    loan: Loan | None = _single("loan", "loan")
    replenishment: Replenishment | None = _single("replenishment", "replenishment")
    rma: Rma | None = _single("rma", "return of a unit that has failed")
    shipment: Shipment | None = _single("shipment", "shipment")
    pickup: Pickup | None = _single("pickup", "pickup of parcels at a hub")
    task: Task | None = _single("task", "task")
    incident_group: IncidentGroup | None = _single("incident_group", "incident group")
    recovery: Recovery | None = _single("recovery", "recovery of a parcel")
    quarantined_record: QuarantinedRecord | None = _single("quarantine", "quarantined record")
    sync_plan: SyncPlan | None = _single("sync_plan", "plan of a sync")
    identity_review: IdentityReview | None = _single("identity_review", "identity review")
    asset_merge: AssetMerge | None = _single("asset_merge", "merge of devices")
    rollout_line: RolloutLine | None = _single("rollout_line", "line of a rollout")
    rollout: Rollout | None = strawberry.field(
        resolver=_rollout,
        metadata={ROOT: partial(named_root, "rollout", "name")},
        description="One rollout, by its id or by its name; null when there is none.",
    )
    ticket: Ticket | None = strawberry.field(
        resolver=_ticket,
        metadata={ROOT: partial(named_root, "ticket", "number")},
        description="One ticket, by its id or by the number that people call it; null when there is none.",
    )
    source: Source | None = strawberry.field(
        resolver=_source,
        metadata={ROOT: partial(named_root, "source", "name")},
        description="One source, by its id or by its name in connector.toml; null when there is none.",
    )
    policy: Policy | None = strawberry.field(
        resolver=_policy,
        metadata={ROOT: policy_root},
        description="One policy, by its id or by its version; the active one when neither is given, null when there "
        "is none.",
    )
    node: Node | None = strawberry.field(
        resolver=_node,
        metadata={ROOT: node_root},
        description="Anything by its id; null when there is no such thing any more.",
    )
    nodes: list[Node | None] = strawberry.field(
        resolver=_nodes,
        metadata={ROOT: nodes_root},
        description=f"Many things by their ids, in the order of the ids; {MOST_NODES} at most.",
    )
    explain: Explanation = strawberry.field(
        resolver=_explain,
        metadata={WEIGHT: COMPUTED},
        description="What the rules would decide for a ticket now, and why; nothing is done.",
    )
    what_if: WhatIf = strawberry.field(
        resolver=resolve_what_if,
        metadata={WEIGHT: COMPUTED},
        description="What the rules would decide for a ticket or a draft of one, under the active policy or a draft "
        "of one, as things stand; nothing is done.",
    )
    break_glass_use: list[BreakGlassUse] = strawberry.field(
        resolver=_break_glass_use,
        metadata={WEIGHT: COMPUTED},
        description="Where break-glass stock was drawn lately, and whether it has become the usual path; the largest "
        "share first.",
    )
    sync_plan_page: SyncPlanPage = strawberry.field(
        resolver=resolve_page,
        metadata={WEIGHT: COMPUTED},
        description="What a plan of a sync says, change by change, a page at a time.",
    )
    placements: PlacementConnection = strawberry.field(
        resolver=resolve_placements,
        metadata={WEIGHT: COMPUTED},
        description="Where spares stand and where they belong, for each product that a region uses or keeps near; "
        "ordered by region and product.",
    )
    data_quality: DataQuality = strawberry.field(
        resolver=resolve_data_quality,
        description="What is missing, unknown, double, stale or waiting, as it stands: of the hub, or of what it is "
        "narrowed to.",
    )
    data_quality_trend: list[DataQualityTrend] = strawberry.field(
        resolver=resolve_trend,
        metadata={WEIGHT: COMPUTED},
        description="What the measures came to day by day: of the hub, or of one source, site or product.",
    )
    me: Me = strawberry.field(resolver=_me, metadata={ROOT: me_root}, description="Who asks, and what they may do.")
    feed_cursor: str = strawberry.field(
        resolver=_feed_cursor,
        metadata={ROOT: feed_cursor_root},
        description="Cursor of the newest event that the rest of this query has seen: subscribe with `after` set to "
        "it to miss nothing that happens later.",
    )
