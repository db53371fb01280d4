"""Hardware is read without a filter by time, without an order of equal times, by offsets that move."""

from __future__ import annotations

from datetime import timedelta

import httpx
import pytest

from connector.sdk import AssetState, EntityKind, RateLimited, SourceRef, Tombstone, UnexpectedResponse
from connector.sdk.testing import Between, MovableClock, by_ref, ids
from connector_snipe_it.sandbox import SnipeItSandbox

from .conftest import NOON, Opened

HOUR = timedelta(hours=1)


def ids_ref(number: int) -> SourceRef:
    return SourceRef(kind=EntityKind.ASSET, external_id=str(number))


async def test_a_pull_of_what_changed_asks_for_the_newest_page_of_each_list(
    sandbox: SnipeItSandbox, opened: Opened, clock: MovableClock
):
    for number in range(12):
        sandbox.new_asset(NOON - HOUR * (20 - number))
    async with opened() as source:
        first = await source.pull("hardware")
        changed = sandbox.inventory.tables["hardware"][int(ids(first)[3])]
        clock.advance(HOUR)
        sandbox.inventory.update(changed, {"name": "renamed"})
        source.requests.clear()

        second = await source.pull("hardware", first[-1].resume)

    assert (len(ids(first)), first[-1].complete) == (12, True)
    assert (ids(second), second[-1].complete) == ([str(changed.id), ids(first)[-1]], False)  # the newest of before, too
    asked = [(request.url.params.get("status"), request.url.params["sort"]) for request in source.requests]
    assert asked == [(None, "updated_at"), ("Archived", "updated_at"), ("Deleted", "updated_at")]


async def test_more_changes_within_a_second_than_a_page_has_are_all_found_along_the_ids(
    sandbox: SnipeItSandbox, opened: Opened, clock: MovableClock
):
    assets = [sandbox.new_asset(NOON - HOUR * (40 - number)) for number in range(23)]
    async with opened() as source:
        first = await source.pull("hardware")
        clock.advance(HOUR)
        for asset in assets[4:18]:
            sandbox.inventory.update(asset, {"name": "edited in bulk"})

        second = await source.pull("hardware", first[-1].resume)
        clock.advance(timedelta(minutes=10))
        third = await source.pull("hardware", second[-1].resume)
        fourth = await source.pull("hardware", third[-1].resume)

    named = {ref.external_id for ref, record in by_ref(second).items() if record.name == "edited in bulk"}
    assert named == {str(asset.id) for asset in assets[4:18]}
    assert [batch.complete for batch in second + third + fourth] == [False] * len(second + third + fourth)
    assert ids(fourth) == []


async def test_archived_hardware_is_seen_though_the_plain_list_leaves_it_out(
    sandbox: SnipeItSandbox, opened: Opened, clock: MovableClock
):
    asset, archived = sandbox.new_asset(NOON - HOUR), sandbox.new_asset(NOON - HOUR, status_id=3)
    async with opened() as source:
        first = await source.pull("hardware")
        clock.advance(HOUR)
        sandbox.inventory.update(asset, {"status_id": 3})
        second = await source.pull("hardware", first[-1].resume)

    states = {ref.external_id: record.state for ref, record in by_ref(first).items()}
    assert states == {str(asset.id): AssetState.IN_STOCK, str(archived.id): AssetState.RETIRED}
    assert by_ref(second)[ids_ref(asset.id)].state == AssetState.RETIRED


async def test_many_deletions_at_once_are_all_told_and_old_ones_not_at_first(
    sandbox: SnipeItSandbox, opened: Opened, clock: MovableClock
):
    assets = [sandbox.new_asset(NOON - HOUR * 9) for _ in range(13)]
    sandbox.inventory.delete("hardware", assets[0].id, NOON - HOUR * 5)
    async with opened() as source:
        first = await source.pull("hardware")
        clock.advance(HOUR)
        for asset in assets[1:12]:
            sandbox.inventory.delete("hardware", asset.id, clock.now())
        second = await source.pull("hardware", first[-1].resume)

    assert set(ids(first)) == {str(asset.id) for asset in assets[1:]}
    gone = {ref.external_id for ref, record in by_ref(second).items() if isinstance(record, Tombstone)}
    assert gone >= {str(asset.id) for asset in assets[1:12]}


async def test_the_first_deletion_ever_is_told(sandbox: SnipeItSandbox, opened: Opened, clock: MovableClock):
    asset, _ = sandbox.new_asset(NOON - HOUR), sandbox.new_asset(NOON - HOUR)
    async with opened() as source:
        first = await source.pull("hardware")
        clock.advance(HOUR)
        sandbox.inventory.delete("hardware", asset.id, clock.now())
        second = await source.pull("hardware", first[-1].resume)

    told = [record for record in by_ref(second).values() if isinstance(record, Tombstone)]
    assert [record.ref.external_id for record in told] == [str(asset.id)]


async def test_pages_may_be_cut_shorter_than_was_asked(sandbox: SnipeItSandbox, opened: Opened):
    sandbox.server.most = 3
    expected = [str(sandbox.new_asset(NOON - HOUR).id) for _ in range(11)]
    async with opened(page_size=500) as source:
        batches = await source.pull("hardware")

    assert (ids(batches), batches[-1].complete) == (expected, True)


async def test_what_goes_while_it_is_read_moves_no_row_out_of_sight(sandbox: SnipeItSandbox, opened: Opened):
    assets = [sandbox.new_asset(NOON - HOUR) for _ in range(23)]
    seen: list[str] = []
    async with opened() as source:
        async for batch in source.adapter.pull(source.stream("hardware"), None):
            seen += [record.ref.external_id for record in batch.records]
            if len(seen) == 5:
                for asset in assets[:4]:
                    sandbox.inventory.delete("hardware", asset.id, NOON)
            if len(seen) == 10:
                assets[0].deleted_at = assets[1].deleted_at = None

    assert seen == [str(asset.id) for asset in assets]


async def test_a_list_that_passes_over_offsets_is_not_taken_for_whole(sandbox: SnipeItSandbox, opened: Opened):
    for _ in range(12):
        sandbox.new_model(NOON - HOUR)
    sandbox.server.deaf_to_offsets.add("models")
    async with opened() as source:
        with pytest.raises(UnexpectedResponse, match="models does not go on behind row 5 of 12"):
            await source.pull("models")
    async with opened(page_size=500) as source:
        assert len(ids(await source.pull("models"))) == 12


async def test_another_hub_reads_all_hardware_anew(sandbox: SnipeItSandbox, opened: Opened):
    depot = sandbox.new_location(name="Depot")
    for _ in range(7):
        sandbox.new_asset(NOON - HOUR * 20, location_id=depot.id)
    async with opened() as source:
        first = await source.pull("hardware")
    async with opened(hub_locations=["Depot"]) as source:
        second = await source.pull("hardware", first[-1].resume)

    assert {str(record.place) for record in by_ref(first).values()} == {f"site:{depot.id}"}
    assert {str(record.place) for record in by_ref(second).values()} == {f"hub:{depot.id}"}
    assert len(by_ref(second)) == 7


async def test_in_the_hour_that_comes_twice_a_change_is_not_passed_over(
    sandbox: SnipeItSandbox, opened: Opened, clock: MovableClock
):
    twice = NOON.replace(month=10, day=25, hour=0, minute=50)  # 02:50 in Berlin, for the first time
    clock.at = twice
    for number in range(6):
        sandbox.new_asset(twice - HOUR * (10 - number))
    asset = sandbox.new_asset(twice)
    async with opened() as source:
        first = await source.pull("hardware")
        clock.advance(timedelta(minutes=25))  # 02:15, for the second time: an earlier text
        sandbox.inventory.update(asset, {"name": "renamed"})
        second = await source.pull("hardware", first[-1].resume)

    assert [record.name for record in by_ref(second).values() if record.name == "renamed"] == ["renamed"]


async def test_too_many_requests_are_told_without_a_header_and_a_login_page_is_no_answer(
    sandbox: SnipeItSandbox, opened: Opened, wire: Between
):
    body = {"status": "error", "messages": "Too many requests. Try again in 60 seconds.", "retryAfter": 60}
    async with opened() as source:
        wire.change = lambda _: httpx.Response(429, json=body)
        with pytest.raises(RateLimited) as limited:
            await source.adapter.check()
        wire.change = lambda _: httpx.Response(200, json={"status": "error", "messages": "Unauthorised", "payload": 0})
        with pytest.raises(UnexpectedResponse, match="check: Snipe-IT answers 'Unauthorised'"):
            await source.adapter.check()

    assert limited.value.retry_after is None
    assert all(request.headers["accept"] == "application/json" for request in source.requests)
