"""Where spares stand and where they belong, by product and region."""

from typing import Annotated

import strawberry

from connector.api.context import Info
from connector.api.permissions import require_facts, require_reach
from connector.api.schema.fields import DEFAULT_PAGE, LARGEST_PAGE
from connector.api.schema.nodes import global_id, key_of
from connector.api.schema.paging import Edge, PageInfo
from connector.model.errors import InvalidInput
from connector.model.kinds import HubTier
from connector.rules.placement.belonging import Place
from connector.rules.placement.verdict import PlacementVerdict
from connector.storage.stock.placements import Placement as Found
from connector.storage.stock.placements import list_placements


@strawberry.type(description="Units that stand in hubs of a tier.")
class TierUnits:
    """Units of a tier."""

    tier: HubTier = strawberry.field(description="The tier.")
    units: int = strawberry.field(
        description="How many, claimed ones included and those to lend not: in the region's own hubs, and in central "
        "ones wherever they are."
    )


@strawberry.type(description="Where spares of a product stand for a region, and where they belong.")
class Placement:
    """A product in a region."""

    region: str | None = strawberry.field(description="The region; null for sites and hubs without one.")
    product_id: strawberry.ID = strawberry.field(description="Id of the product, for `node`.")
    product: str = strawberry.field(description="Maker and model.")
    asset_class: str | None = strawberry.field(
        description="The policy's entry under `asset_classes`; null when none is about the product."
    )
    used: int = strawberry.field(description="Units that went out for tickets within the policy's window.")
    recorded_days: float = strawberry.field(description="For how much of that window use is recorded.")
    in_use: int = strawberry.field(description="Devices of it at the region's sites.")
    used_per_quarter: float = strawberry.field(description="Units that are needed in a quarter.")
    is_measured: bool = strawberry.field(
        description="Whether that is what was used; else it follows from the failures of its class."
    )
    stands: list[TierUnits] = strawberry.field(description="Where units stand, the nearest tier first.")
    belongs: Place = strawberry.field(description="Where they belong.")
    verdict: PlacementVerdict = strawberry.field(description="How the two compare.")
    is_misplaced: bool = strawberry.field(description="Whether something should be moved or bought.")
    reason: str = strawberry.field(description="Why it belongs there, for people.")
    target_cover: str = strawberry.field(description="How much of it there should be, as the policy states it.")


@strawberry.type(description="A page of placements.")
class PlacementConnection:
    """Relay's connection; how many there are in all is not counted, since each would have to be judged."""

    edges: list[Edge[Placement]] = strawberry.field(description="The rows with their cursors.")
    nodes: list[Placement] = strawberry.field(description="The rows without their cursors.")
    page_info: PageInfo = strawberry.field(
        description="Where this page stands. With `misplaced`, a page may be short although more follow."
    )


async def resolve_placements(
    info: Info,
    region: Annotated[str | None, strawberry.argument(description='Only this region; "" for none.')] = None,
    product_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only this product.")] = None,
    misplaced: Annotated[
        bool | None, strawberry.argument(description="Only what stands in the wrong place; false: only what does not.")
    ] = None,
    first: Annotated[int, strawberry.argument(description=f"How many, {LARGEST_PAGE} at most.")] = DEFAULT_PAGE,
    after: Annotated[str | None, strawberry.argument(description="Begin behind the edge with this cursor.")] = None,
) -> PlacementConnection:
    """Resolver of `placements`."""
    if not 1 <= first <= LARGEST_PAGE:
        raise InvalidInput(f"`first` of placements is {first}, 1 to {LARGEST_PAGE} is allowed")
    key = None if product_id is None else key_of(product_id, entity="product")
    context = info.context
    require_reach(context.principal, "placements")
    require_facts(context.principal, context.reader.sight, "placements")
    policy = await context.active_policy()
    async with context.reader.exclusively:
        page = await list_placements(
            await context.reader.snapshot(), policy, context.clock.now(), first=first, after=after, region=region,
            product_id=key, misplaced=misplaced,
        )  # fmt: skip
    edges = [Edge(node=_shown(found), cursor=found.cursor) for found in page.placements]
    return PlacementConnection(
        edges=edges,
        nodes=[edge.node for edge in edges],
        page_info=PageInfo(
            has_next_page=page.has_more,
            has_previous_page=after is not None,
            start_cursor=edges[0].cursor if edges else None,
            end_cursor=page.end_cursor,
        ),
    )


def _shown(found: Found) -> Placement:
    placed, made = found.placed, found.judged
    return Placement(
        region=placed.region or None,
        product_id=strawberry.ID(global_id("Product", placed.product_id)),
        product=placed.product,
        asset_class=made.asset_class,
        used=placed.used,
        recorded_days=found.days,
        in_use=placed.in_use,
        used_per_quarter=made.per_quarter,
        is_measured=made.is_measured,
        stands=[TierUnits(tier=tier, units=units) for tier, units in placed.units.items() if units],
        belongs=made.belongs.place,
        verdict=made.verdict,
        is_misplaced=made.verdict.is_misplaced,
        reason=made.belongs.reason,
        target_cover=made.cover,
    )
