"""`connector placement`: where spares stand, and where they belong."""

from __future__ import annotations

from typing import Annotated

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table
from connector.hub import Hub
from connector.storage.database.engine import reading
from connector.storage.sources.catalogue import product_called
from connector.storage.stock.placements import Placement, PlacementPage, list_placements


def placement(
    region: Annotated[str | None, typer.Option(help='Only this region; "" for sites and hubs without one.')] = None,
    product: Annotated[str | None, typer.Option(help="Only this product: maker and model, SKU, part number.")] = None,
    misplaced: Annotated[
        bool | None, typer.Option("--misplaced/--in-place", help="Only what stands in the wrong place; only the rest.")
    ] = None,
    limit: Annotated[int, typer.Option(min=1, max=1000, help="At most so many.")] = 50,
    after: Annotated[str | None, typer.Option(help="Go on behind this cursor, which the page before names.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Show where spares of each product stand for a region, where they belong, and why."""

    async def read(hub: Hub) -> PlacementPage:
        async with reading(hub.database) as tx:
            product_id = None if product is None else await product_called(tx, product)
            return await list_placements(
                tx, await hub.policy.now(tx), hub.clock.now(), first=limit, after=after, region=region,
                product_id=product_id, misplaced=misplaced,
            )  # fmt: skip

    page = with_hub(config, read, as_json=as_json)
    follows = page.end_cursor if page.has_more else None
    if as_json:
        print_json({"placements": [_json(found) for found in page.placements], "after": follows})
        return
    nothing = "Nothing is misplaced." if misplaced else "No product is used or kept near."
    print_table("Placement", [_row(found) for found in page.placements], empty=nothing)
    for found in page.placements:
        what = f"{found.placed.product}, {found.placed.region or 'no region'}: {found.judged.belongs.reason}."
        console.print(what, markup=False, highlight=False)
    if follows is not None:
        console.print(f"More follow: --after {follows}", highlight=False, soft_wrap=True)


def _row(found: Placement) -> dict[str, object]:
    placed, made = found.placed, found.judged
    return {
        "region": placed.region or "none",
        "product": placed.product,
        "a quarter": f"{made.per_quarter:.1f}",
        "stands": ", ".join(f"{tier} {units}" for tier, units in placed.units.items() if units) or "nowhere",
        "belongs": made.belongs.place.value,
        "": made.verdict.value.replace("_", " ").upper() if made.verdict.is_misplaced else None,
    }


def _json(found: Placement) -> dict[str, object]:
    placed, made = found.placed, found.judged
    return {
        "region": placed.region or None,
        "product_id": placed.product_id,
        "product": placed.product,
        "asset_class": made.asset_class,
        "used": placed.used,
        "recorded_days": round(found.days, 1),
        "in_use": placed.in_use,
        "used_per_quarter": round(made.per_quarter, 2),
        "is_measured": made.is_measured,
        "stands": {tier.value: units for tier, units in placed.units.items()},
        "belongs": made.belongs.place,
        "verdict": made.verdict,
        "is_misplaced": made.verdict.is_misplaced,
        "reason": made.belongs.reason,
        "target_cover": made.cover,
    }
