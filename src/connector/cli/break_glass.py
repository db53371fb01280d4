"""`connector break-glass`: how much of what is drawn comes from break-glass stock."""

from __future__ import annotations

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import ExitCode, console, print_json, print_table
from connector.hub import Hub
from connector.model.errors import NotKnown
from connector.rules.policy.break_glass import BreakGlass
from connector.storage.database.engine import reading
from connector.storage.stock.break_glass import DrawShare, draw_shares


def break_glass(config: Config = None, as_json: AsJson = False) -> None:
    """Show which share of the units drawn was break-glass stock, by region and product; exit 4 when one is an alert."""

    async def read(hub: Hub) -> tuple[BreakGlass, list[DrawShare]]:
        async with reading(hub.database) as tx:
            policy = await hub.policy.now(tx)
            if policy.break_glass is None:
                raise NotKnown(
                    f"policy {policy.version!r} has no section break_glass", hint="docs/break-glass.md explains it."
                )
            return policy.break_glass, await draw_shares(tx, policy.break_glass, hub.clock.now())

    stated, shares = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json(
            [{**{name: getattr(item, name) for name in DrawShare.__slots__}, "share": item.share} for item in shares]
        )
    else:
        rows = [
            {
                "region": item.region,
                "product": item.product,
                "draws": item.draws,
                "break-glass": item.break_glass,
                "share": f"{item.share:.0%}",
                "": "ALERT" if item.is_alert else None,
            }
            for item in shares
        ]
        print_table(f"Break-glass draws of {stated.window_days} days", rows, empty="No break-glass stock was drawn.")
    if any(item.is_alert for item in shares):
        if not as_json:
            console.print(f"The limit is {stated.alert_share:.0%} of {stated.minimum_draws} draws or more.")
        raise typer.Exit(ExitCode.UNHEALTHY)
