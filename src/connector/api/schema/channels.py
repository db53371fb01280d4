"""Red channels: open ones, past ones, and opening, extending and closing them."""

from datetime import datetime

import strawberry

from connector.api.context import Info
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.fields import column, derived, related
from connector.api.schema.inputs import KEY
from connector.api.schema.lazy import AnyDecision
from connector.api.schema.nodes import Node, global_id, key_of
from connector.api.schema.payloads import Payload, target
from connector.fulfilment.channels import Scope
from connector.model.kinds import Lane
from connector.rules.policy.channels import ScopeKey
from connector.storage.query import Row


@strawberry.type(description="What a red channel is narrowed to; an empty list narrows nothing.")
class RedChannelScope:
    """A scope."""

    product_ids: list[strawberry.ID] = strawberry.field(description="Products that are needed.")
    asset_classes: list[str] = strawberry.field(description="Classes of these.")
    regions: list[str] = strawberry.field(description="Regions of the sites.")
    site_ids: list[strawberry.ID] = strawberry.field(description="Sites.")


@strawberry.type(description="How many units came from a lane.")
class LaneUse:
    """Units of a lane."""

    lane: Lane = strawberry.field(description="The lane.")
    units: int = strawberry.field(description="How many; those that were given back do not count.")


@strawberry.type(description="How a red channel was used.")
class RedChannelReport:
    """A report."""

    tickets: list[str] = strawberry.field(description="Numbers of the tickets that went through it.")
    units: list[LaneUse] = strawberry.field(description="What they were given.")
    cost_cents: int = strawberry.field(description="Transport, in hundredths of the policy's currency.")
    skipped_approvals: int = strawberry.field(description="Decisions that would have needed an approval.")


def _scope(root: Row) -> RedChannelScope:
    scope = root.values["scope"]
    return RedChannelScope(
        product_ids=[strawberry.ID(global_id("Product", key)) for key in scope.get("products", ())],
        asset_classes=scope.get("asset_classes", []),
        regions=scope.get("regions", []),
        site_ids=[strawberry.ID(global_id("Site", key)) for key in scope.get("sites", ())],
    )


def _report(root: Row) -> RedChannelReport | None:
    report = root.values["report"]
    if report is None:
        return None
    return RedChannelReport(
        tickets=report["tickets"],
        units=[LaneUse(lane=Lane(lane), units=units) for lane, units in report["units"].items()],
        cost_cents=report["cost_cents"],
        skipped_approvals=report["skipped_approvals"],
    )


@strawberry.type(description="A preapproved kind of event whose tickets skip the queue, for a time and within a scope.")
class RedChannel(Node):
    """A red channel."""

    name: str = column("Its kind in the policy.")
    policy_version: str = column("Version of the policy when it was opened.")
    reason: str = column("Why it was opened.")
    scope: RedChannelScope = derived(_scope, "What it is narrowed to.", columns=("scope",))
    opened_by: str = column("Who opened it.")
    opened_at: datetime = column("When.")
    ends_at: datetime = column("Until when it serves tickets, whatever else.")
    closed_at: datetime | None = column("When its end was recorded, or somebody closed it; null before that.")
    closed_by: str | None = column("Who closed it; `its end` when nobody did.")
    close_reason: str | None = column("Why.")
    report: RedChannelReport | None = derived(_report, "How it was used; null while it is open.", columns=("report",))
    decisions: list[AnyDecision] = related("decisions", "What was decided through it, the oldest first.")


@strawberry.input(description="Open a red channel.")
class OpenRedChannelInput:
    """Input of `openRedChannel`."""

    name: str = strawberry.field(description="Its kind in the policy.")
    reason: str = strawberry.field(description="Why; kept with it.")
    ends_at: datetime = strawberry.field(description="Until when; the policy says how far away that may be.")
    product_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="Only tickets that need these products."
    )
    asset_classes: list[str] = strawberry.field(
        default_factory=list, description="Only tickets that need products of these classes."
    )
    regions: list[str] = strawberry.field(default_factory=list, description="Only tickets of sites in these regions.")
    site_ids: list[strawberry.ID] = strawberry.field(default_factory=list, description="Only tickets of these sites.")
    idempotency_key: str = KEY


@strawberry.input(description="Let an open red channel end at another time.")
class ExtendRedChannelInput:
    """Input of `extendRedChannel`."""

    red_channel_id: strawberry.ID = strawberry.field(description="Which channel.")
    ends_at: datetime = strawberry.field(description="Until when.")
    reason: str = strawberry.field(description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.input(description="Close an open red channel before its end.")
class CloseRedChannelInput:
    """Input of `closeRedChannel`."""

    red_channel_id: strawberry.ID = strawberry.field(description="Which channel.")
    reason: str = strawberry.field(description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.type(description="Answer of `openRedChannel`, `extendRedChannel` and `closeRedChannel`.")
class RedChannelPayload(Payload):
    """Payload of all three."""

    channel: RedChannel | None = target("channel")


async def open_channel(info: Info, input: OpenRedChannelInput) -> RedChannelPayload:
    """Resolver of `openRedChannel`."""
    async with refusing(info) as refusals:
        scope: Scope = {
            ScopeKey.PRODUCTS: [key_of(text, entity="product") for text in input.product_ids],
            ScopeKey.ASSET_CLASSES: input.asset_classes,
            ScopeKey.REGIONS: input.regions,
            ScopeKey.SITES: [key_of(text, entity="site") for text in input.site_ids],
        }
        by = request_of(info, input.idempotency_key)
        context = info.context
        number = await context.channels.open(
            input.name, by=context.principal, reason=input.reason, scope=scope, ends_at=input.ends_at, key=by.key
        )
        return RedChannelPayload(key=number)
    return RedChannelPayload(errors=refusals)


async def extend_channel(info: Info, input: ExtendRedChannelInput) -> RedChannelPayload:
    """Resolver of `extendRedChannel`."""
    async with refusing(info) as refusals:
        number = key_of(input.red_channel_id, entity="red_channel")
        by = request_of(info, input.idempotency_key)
        context = info.context
        await context.channels.extend(
            number, by=context.principal, reason=input.reason, ends_at=input.ends_at, key=by.key
        )
        return RedChannelPayload(key=number)
    return RedChannelPayload(errors=refusals)


async def close_channel(info: Info, input: CloseRedChannelInput) -> RedChannelPayload:
    """Resolver of `closeRedChannel`."""
    async with refusing(info) as refusals:
        number = key_of(input.red_channel_id, entity="red_channel")
        by = request_of(info, input.idempotency_key)
        await info.context.channels.close(number, by=info.context.principal, reason=input.reason, key=by.key)
        return RedChannelPayload(key=number)
    return RedChannelPayload(errors=refusals)
