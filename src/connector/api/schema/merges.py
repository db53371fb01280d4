"""Devices that were made one, taken back, and split."""

from datetime import datetime

import strawberry

from connector.api.context import Info
from connector.api.merging import Merges
from connector.api.schema.aliases import NamedCount
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.fields import column, derived, related
from connector.api.schema.inputs import KEY
from connector.api.schema.inventory import Asset
from connector.api.schema.lazy import AnyAsset
from connector.api.schema.nodes import Node, global_id, key_of
from connector.api.schema.payloads import Payload, target
from connector.storage.merging.records import Record
from connector.storage.query import Row


@strawberry.type(description="Something that a merge had moved or changed and that is not as it left it.")
class StayedBehind:
    """What stays with the device that was kept."""

    what: str = strawberry.field(description="What it is: `records`, `tickets`, `reservations`, a field and so on.")
    number: int = strawberry.field(description="Its number in the hub's database; of a field, the device's.")
    why: str = strawberry.field(description="Why it stays, for people.")


def _moved(root: Row) -> list[NamedCount]:
    return [NamedCount(what=what, count=count) for what, count in root.values["moved"].items()]


def _stayed(root: Row) -> list[StayedBehind]:
    return [StayedBehind(what=item["what"], number=item["id"], why=item["why"]) for item in root.values["stayed"] or ()]


@strawberry.type(description="Two records of one device that somebody made one.")
class AssetMerge(Node):
    """A merge."""

    kept: AnyAsset = related("kept", "The device that was kept, and has all that hung on the other one.")
    merged: AnyAsset | None = related("merged", "The one that was merged into it; null outside of one's regions.")
    reason: str = column("Why, as whoever did it states it.")
    merged_by: str = column("Who did it.")
    moved: list[NamedCount] = derived(_moved, "How many things went over, by what they are.", columns=("moved",))
    undone_by: str | None = column("Who took it back; null while it stands.")
    undone_at: datetime | None = column("When.")
    undo_reason: str | None = column("Why, as that person states it.")
    stayed: list[StayedBehind] = derived(
        _stayed, "What had changed when it was taken back, and stayed with the kept one.", columns=("stayed",)
    )
    created_at: datetime = column("When it was done.")
    updated_at: datetime = column("When it last changed.")


@strawberry.input(description="Say that several records in the hub are one device.")
class MergeAssetsInput:
    """Input of `mergeAssets`."""

    keep_asset_id: strawberry.ID = strawberry.field(description="The device that is kept.")
    merge_asset_ids: list[strawberry.ID] = strawberry.field(description="Those that are the same one, 20 at most.")
    reason: str = strawberry.field(description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.input(description="Say that a merge was wrong.")
class UndoMergeInput:
    """Input of `undoMerge`."""

    asset_merge_id: strawberry.ID = strawberry.field(description="Which merge.")
    reason: str = strawberry.field(description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.input(description="A record, as `sourceRecords` of a device has it.")
class SourceRecordInput:
    """A record of a source."""

    source: str = strawberry.field(description="Name of the source.")
    external_id: str = strawberry.field(description="What it calls the device.")


@strawberry.input(description="Say that records of a device are about another one.")
class SplitAssetInput:
    """Input of `splitAsset`."""

    asset_id: strawberry.ID = strawberry.field(description="Which device.")
    source_records: list[SourceRecordInput] = strawberry.field(
        description="The records that are about another one, 100 at most."
    )
    reason: str = strawberry.field(description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.type(description="Answer of `mergeAssets`.")
class MergeAssetsPayload(Payload):
    """Payload of `mergeAssets`."""

    asset: Asset | None = target("device that was kept")
    asset_merge_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="A merge for each that was not kept, in their order; for `undoMerge`."
    )


@strawberry.type(description="Answer of `undoMerge`.")
class UndoMergePayload(Payload):
    """Payload of `undoMerge`."""

    merge: AssetMerge | None = target("merge")


@strawberry.type(description="Answer of `splitAsset`.")
class SplitAssetPayload(Payload):
    """Payload of `splitAsset`."""

    asset: Asset | None = target("device that the records are of now")
    identity_review_ids: list[strawberry.ID] = strawberry.field(
        default_factory=list, description="What says, for each record, that it is about a device of its own."
    )


async def merge(info: Info, input: MergeAssetsInput) -> MergeAssetsPayload:
    """`mergeAssets`."""
    async with refusing(info) as refusals:
        keep, by = key_of(input.keep_asset_id, entity="asset"), request_of(info, input.idempotency_key)
        others = [key_of(each, entity="asset") for each in input.merge_asset_ids]
        done = await _desk(info).merge(keep, others, reason=input.reason, key=by.key, actor=by.actor)
        return MergeAssetsPayload(key=keep, asset_merge_ids=[_id("AssetMerge", each) for each in done.merge_ids])
    return MergeAssetsPayload(errors=refusals)


async def undo(info: Info, input: UndoMergeInput) -> UndoMergePayload:
    """`undoMerge`."""
    async with refusing(info) as refusals:
        number, by = key_of(input.asset_merge_id, entity="asset_merge"), request_of(info, input.idempotency_key)
        await _desk(info).undo(number, reason=input.reason, key=by.key, actor=by.actor)
        return UndoMergePayload(key=number)
    return UndoMergePayload(errors=refusals)


async def split(info: Info, input: SplitAssetInput) -> SplitAssetPayload:
    """`splitAsset`."""
    async with refusing(info) as refusals:
        asset, by = key_of(input.asset_id, entity="asset"), request_of(info, input.idempotency_key)
        records = [Record(each.source, each.external_id) for each in input.source_records]
        done = await _desk(info).split(asset, records, reason=input.reason, key=by.key, actor=by.actor)
        return SplitAssetPayload(
            key=done.new_id, identity_review_ids=[_id("IdentityReview", each) for each in done.review_ids]
        )
    return SplitAssetPayload(errors=refusals)


def _id(type_name: str, number: int) -> strawberry.ID:
    return strawberry.ID(global_id(type_name, number))


def _desk(info: Info) -> Merges:
    return Merges(info.context.engine, info.context.clock)
