"""`connector channel`: red channels, opened, extended, closed, listed, reported."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Annotated, Any

import typer

from connector.cli.approvals import whoever_types
from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, print_json, print_table
from connector.fulfilment.channels import Channels, Scope, report_text
from connector.fulfilment.work import Work
from connector.hub import Hub, fulfilment_options
from connector.model.errors import NotKnown
from connector.rules.policy.channels import ScopeKey
from connector.storage.approvals.channels import channel_row, list_channels, products_named, sites_named, use_of
from connector.storage.database.engine import reading

channel = typer.Typer(help="Red channels: open, extend, close, list, report.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="Id of the channel, as `list` shows it.")]
Reason = Annotated[str, typer.Option(help="Why, for the record.")]
Hours = Annotated[float, typer.Option(min=0.02, help="For how many hours from now on.")]


@channel.command("open")
def open_one(
    name: Annotated[str, typer.Argument(help="Kind of channel, as the policy has it.")],
    reason: Reason,
    hours: Hours,
    product: Annotated[list[str] | None, typer.Option(help="Only these products: maker and model, SKU.")] = None,
    asset_class: Annotated[list[str] | None, typer.Option(help="Only products of these classes.")] = None,
    region: Annotated[list[str] | None, typer.Option(help="Only sites of these regions.")] = None,
    site: Annotated[list[str] | None, typer.Option(help="Only these sites: code or name.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let the tickets of a preapproved kind of event skip the queue, for a time and within a scope."""

    async def do(hub: Hub) -> tuple[int, datetime]:
        async with reading(hub.database) as tx:
            products = _all("product", product or [], await products_named(tx, product or []))
            sites = _all("site", site or [], await sites_named(tx, site or []))
        scope: Scope = {
            ScopeKey.PRODUCTS: products, ScopeKey.ASSET_CLASSES: asset_class or [], ScopeKey.REGIONS: region or [],
            ScopeKey.SITES: sites,
        }  # fmt: skip
        ends = hub.clock.now() + timedelta(hours=hours)
        number = await _desk(hub).open(
            name, by=whoever_types(), reason=reason, scope=scope, ends_at=ends, key=str(uuid.uuid4())
        )
        return number, ends

    number, ends = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"id": number, "ends_at": ends})
    else:
        _say(f"Red channel {number} ({name}) is open until {ends:%Y-%m-%d %H:%M}Z.")


@channel.command()
def extend(number: Number, reason: Reason, hours: Hours, config: Config = None, as_json: AsJson = False) -> None:
    """Let an open channel end so many hours from now."""

    async def do(hub: Hub) -> datetime:
        ends = hub.clock.now() + timedelta(hours=hours)
        await _desk(hub).extend(number, by=whoever_types(), reason=reason, ends_at=ends, key=str(uuid.uuid4()))
        return ends

    ends = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"id": number, "ends_at": ends})
    else:
        _say(f"Red channel {number} is open until {ends:%Y-%m-%d %H:%M}Z.")


@channel.command()
def close(number: Number, reason: Reason, config: Config = None, as_json: AsJson = False) -> None:
    """Close an open channel before its end, and show how it was used."""

    async def do(hub: Hub) -> dict[str, Any]:
        return await _desk(hub).close(number, by=whoever_types(), reason=reason, key=str(uuid.uuid4()))

    report = with_hub(config, do, as_json=as_json)
    if as_json:
        print_json({"id": number, "report": report})
    else:
        _say(f"Red channel {number} is closed. {report_text(report)}")


@channel.command("list")
def list_all(config: Config = None, as_json: AsJson = False) -> None:
    """List channels, the newest first."""

    async def read(hub: Hub) -> tuple[list[dict[str, Any]], datetime]:
        async with reading(hub.database) as tx:
            return await list_channels(tx), hub.clock.now()

    found, now = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json(found)
        return
    rows = [
        {
            "id": row["id"],
            "channel": row["name"],
            "state": _state(row, now),
            "by": row["opened_by"],
            "ends": row["ends_at"],
            "reason": row["reason"],
        }
        for row in found
    ]
    print_table("Red channels", rows, empty="No red channel was ever opened.")


@channel.command()
def report(number: Number, config: Config = None, as_json: AsJson = False) -> None:
    """Show how a channel was used: at its close, or until now."""

    async def read(hub: Hub) -> tuple[dict[str, Any], dict[str, Any], datetime]:
        async with reading(hub.database) as tx:
            row = await channel_row(tx, number)
            return row, row["report"] or await use_of(tx, number), hub.clock.now()

    row, use, now = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json({**row, "report": use})
        return
    _say(f"{row['id']}  {row['name']}: {_state(row, now)}, opened by {row['opened_by']}: {row['reason']}")
    _say(f"for {'; '.join(f'{key} {values}' for key, values in row['scope'].items())}")
    _say(f"from {row['opened_at']:%Y-%m-%d %H:%M}Z until {(row['closed_at'] or row['ends_at']):%Y-%m-%d %H:%M}Z")
    _say(report_text(use))


def _desk(hub: Hub) -> Channels:
    work = Work(hub.database, hub.connections, hub.clock, fulfilment_options(hub.settings))
    return Channels(work, hub.policy)


def _all(what: str, names: list[str], found: Mapping[str, int]) -> list[int]:
    missing = [repr(name) for name in names if name not in found]
    if missing:
        raise NotKnown(f"there is no {what} {', '.join(missing)}")
    return [found[name] for name in names]


def _state(row: Mapping[str, Any], now: datetime) -> str:
    return "closed" if row["closed_at"] is not None or row["ends_at"] <= now else "open"


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
