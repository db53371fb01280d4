"""Assets of a real Request Tracker: what its catalogs and fields tell, and what it shows after a swap."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import httpx
import pytest

from connector.sdk import (
    AssetRecord,
    AssetRelation,
    AssetState,
    ConfigError,
    Conflict,
    EntityKind,
    HubRecord,
    Invalid,
    NotFound,
    Point,
    ProductKey,
    RecordSwap,
    RelationKind,
    SiteRecord,
    SourceRef,
    TicketRecord,
)
from tests.real.connected import Interrupting, Source, connected
from tests.real.request_tracker import CATALOG, PLACES, RequestTracker

CISCO = ProductKey(manufacturer="Cisco", model="C9300", part_number="C9300-48P")
VIENNA = SourceRef(kind=EntityKind.SITE, external_id="vienna")
BERLIN = SourceRef(kind=EntityKind.HUB, external_id="depot berlin")


@dataclass(slots=True)
class Store:
    """The assets as a person sees and changes them."""

    client: httpx.Client
    made: list[str]

    def add(self, status: str, catalog: str = CATALOG, **fields: str) -> str:
        """A new asset; its number. fields: custom ones, with blanks for underscores."""
        named = {name.replace("_", " "): value for name, value in fields.items()}
        given = {"Name": f"device-{token_hex(4)}", "Catalog": catalog, "Status": status, "CustomFields": named}
        number = str(self.client.post("asset", json=given).raise_for_status().json()["id"])
        self.made.append(number)
        return number

    def change(self, number: str, **values: object) -> list[str]:
        """Change it; what Request Tracker says of that."""
        said: list[str] = self.client.put(f"asset/{number}", json=values).raise_for_status().json()
        return said

    def shown(self, number: str) -> dict[str, Any]:
        """Its status and what its custom fields hold, by their names."""
        asset = self.client.get(f"asset/{number}").raise_for_status().json()
        fields = {field["name"]: field["values"] for field in asset["CustomFields"]}
        return {"Status": asset["Status"], **fields}

    def changes(self, number: str) -> int:
        """How often it was changed, its creation counted."""
        history = self.client.get(f"asset/{number}/history", params={"per_page": 100}).raise_for_status()
        return len(history.json()["items"])


@pytest.fixture
def store(desk: RequestTracker) -> Iterator[Store]:
    with desk.client() as client:
        store = Store(client, [])
        yield store
        for number in store.made:
            store.change(number, Status="deleted")


@pytest.fixture
async def source(desk: RequestTracker) -> AsyncIterator[Source]:
    async with connected("request_tracker", settings_for(desk)) as source:
        yield source


async def test_an_asset_is_a_device_with_what_its_fields_links_and_holder_say(
    desk: RequestTracker, store: Store, source: Source
) -> None:
    began = datetime.now(UTC)
    mark = token_hex(4)
    rack = store.add("in-use", Site="Vienna", Serial_Number=f"R-{mark}")
    blade = store.add(
        "in-use", Site="Vienna", Serial_Number=f"B-{mark}", Asset_Tag=f"A-{mark}", Hostname=f"blade-{mark}",
        Manufacturer="Cisco", Model="C9300", Part_Number="C9300-48P",
    )  # fmt: skip
    spare = store.add("allocated", Site="Depot Berlin", Manufacturer="Cisco")
    store.change(blade, AddMemberOf=[f"asset:{rack}"], HeldBy=["hub"])
    chair = store.add("in-use", catalog="Furniture")
    with desk.client() as client:
        about = client.post("ticket", json={"Queue": desk.queue, "Subject": "blade is dead"}).raise_for_status()
        number = str(about.json()["id"])
        client.put(f"ticket/{number}", json={"AddRefersTo": [f"asset:{blade}"]}).raise_for_status()

    found = await source.records("assets", source.since("assets", began))
    places = [record for batch in await source.batches("places") for record in batch.records]
    tickets = await source.records("tickets", source.since("tickets", began))

    record = found[blade]
    assert isinstance(record, AssetRecord)
    assert (record.name, record.serial, record.asset_tag, record.place) == (
        f"blade-{mark}", f"B-{mark}", f"A-{mark}", VIENNA,
    )  # fmt: skip
    assert (record.product, record.state, record.holder) == (CISCO, AssetState.DEPLOYED, "hub")
    assert record.relations == (AssetRelation.to(RelationKind.PART_OF, rack),)
    kept = found[spare]
    assert isinstance(kept, AssetRecord)
    assert (kept.place, kept.product, kept.state, kept.holder) == (BERLIN, None, AssetState.RESERVED, None)
    assert chair not in found
    assert [(type(place), place.name, place.point) for place in places] == [
        (SiteRecord, "Hamburg", Point(53.55, 10.0)), (SiteRecord, "Vienna", Point(48.21, 16.37)),
        (HubRecord, "Depot Berlin", Point(52.52, 13.4)),
    ]  # fmt: skip
    assert isinstance(ticket := tickets[number], TicketRecord)
    assert ticket.asset == asset_ref(blade)


async def test_pages_of_assets_of_one_second_are_read_to_the_end_and_a_pull_goes_on_where_the_last_one_ended(
    desk: RequestTracker, store: Store
) -> None:
    numbers = [store.add("in-use", Serial_Number=f"P-{token_hex(4)}") for _ in range(7)]

    async with connected("request_tracker", settings_for(desk) | {"page_size": 2}) as source:
        batches = await source.batches("assets")
        whole = [item.ref.external_id for batch in batches for item in batch.records]
        from_the_middle = await source.records("assets", batches[1].resume)
        later = store.add("in-use")
        store.change(numbers[0], CustomFields={"Serial Number": "P-CHANGED"})
        afterwards = await source.records("assets", batches[-1].resume)

    assert set(numbers) <= set(whole)
    assert len(whole) == len(set(whole))
    assert [batch.complete for batch in batches[-2:]] == [False, True]
    seen = {item.ref.external_id for batch in batches[:2] for item in batch.records}
    assert set(whole) - seen <= set(from_the_middle)
    assert {later, numbers[0]} <= set(afterwards)
    assert isinstance(record := afterwards[numbers[0]], AssetRecord)
    assert record.serial == "P-CHANGED"


async def test_a_deleted_asset_is_missed_when_all_are_read_and_cannot_be_fetched(store: Store, source: Source) -> None:
    number = store.add("in-use")
    before = await source.records("assets")

    store.change(number, Status="deleted")

    assert number in before
    assert number not in await source.records("assets")
    with pytest.raises(NotFound, match=f"there is no asset:{number} in our catalogs"):
        await source.adapter.fetch(asset_ref(number))


@pytest.mark.parametrize("catalog", ["Furniture", "Network devcies"])
async def test_a_catalog_that_is_hidden_or_not_there_stops_the_source_by_name(
    desk: RequestTracker, catalog: str
) -> None:
    async with connected("request_tracker", settings_for(desk) | {"catalogs": [catalog]}) as source:
        with pytest.raises(ConfigError, match=f"catalog '{catalog}' does not exist, or the token's user may not see"):
            await source.adapter.check()


async def test_a_swap_moves_the_spare_into_use_and_the_failed_device_out_of_it(store: Store, source: Source) -> None:
    swap = spare_swap(store)
    assert await source.adapter.find_swap(swap) is None

    receipt = await source.adapter.record_swap(swap)

    spare, failed = store.shown(of(swap.replacement)), store.shown(of(swap.failed))
    assert (spare["Status"], spare["Site"], spare["Serial Number"]) == ("in-use", ["Vienna"], [swap.serial])
    assert (failed["Status"], failed["Site"], failed["Serial Number"]) == (
        "defective", ["Vienna"], [swap.failed_serial],
    )  # fmt: skip
    assert (receipt.record, receipt.failed_state) == (swap.replacement, AssetState.QUARANTINED)

    changed = [store.changes(of(swap.replacement)), store.changes(of(swap.failed))]
    again = await source.adapter.record_swap(swap)
    assert again == receipt
    assert await source.adapter.find_swap(swap) == receipt
    assert [store.changes(of(swap.replacement)), store.changes(of(swap.failed))] == changed
    pulled = await source.records("assets", source.since("assets", datetime.now(UTC) - timedelta(minutes=1)))
    assert isinstance(record := pulled[of(swap.replacement)], AssetRecord)
    assert (record.place, record.state, record.updated_at) == (VIENNA, AssetState.DEPLOYED, receipt.updated_at)


async def test_a_swap_without_a_spare_s_asset_renews_the_failed_device_s(store: Store, source: Source) -> None:
    swap = renewal(store)

    receipt = await source.adapter.record_swap(swap)

    assert store.shown(of(swap.failed)) == {
        "Status": "in-use", "Site": ["Vienna"], "Hostname": [], "Serial Number": [swap.serial], "Asset Tag": [None],
        "Manufacturer": ["Cisco"], "Model": ["C9300"], "Part Number": ["C9300-48P"],
    }  # fmt: skip
    assert (receipt.record, receipt.failed_state) == (swap.failed, None)
    changed = store.changes(of(swap.failed))
    assert await source.adapter.find_swap(swap) == receipt
    assert await source.adapter.record_swap(swap) == receipt
    assert store.changes(of(swap.failed)) == changed


async def test_a_serial_that_another_asset_has_and_a_device_that_is_another_by_now_are_conflicts(
    store: Store, source: Source
) -> None:
    swap = renewal(store)
    assert swap.serial is not None
    store.add("allocated", Serial_Number=swap.serial.lower())
    before = store.shown(of(swap.failed))

    with pytest.raises(Conflict, match=f"has serial '{swap.serial}' already"):
        await source.adapter.record_swap(swap)
    other = renewal(store)
    with pytest.raises(Conflict, match=f"shows serial '{other.failed_serial}', not 'OTHER'"):
        await source.adapter.record_swap(replace(other, failed_serial="OTHER"))

    assert store.shown(of(swap.failed)) == before


async def test_a_value_or_status_that_request_tracker_does_not_take_is_refused_by_name(
    desk: RequestTracker, store: Store
) -> None:
    settings = settings_for(desk)
    unlisted = settings | {"places": PLACES | {"Moon": (0.0, 0.0)}}
    swap = replace(spare_swap(store), failed=None, site=SourceRef(kind=EntityKind.SITE, external_id="moon"))
    async with connected("request_tracker", unlisted) as source:
        with pytest.raises(Invalid) as value:
            await source.adapter.record_swap(swap)
    unknown = settings | {"failed_status": "broken", "asset_states": {"broken": "quarantined"}}
    failed = spare_swap(store)
    async with connected("request_tracker", unknown) as source:
        with pytest.raises(Invalid) as status:
            await source.adapter.record_swap(failed)

    assert set(value.value.fields) == {"Site"}
    assert set(status.value.fields) == {"Status"}
    assert store.shown(of(failed.failed))["Status"] == "in-use"


async def test_what_somebody_changed_in_between_is_a_conflict_and_stays(desk: RequestTracker, store: Store) -> None:
    swap = renewal(store)
    quicker = Interrupting("PUT", lambda: store.change(of(swap.failed), CustomFields={"Serial Number": "QUICKER"}))

    async with connected("request_tracker", settings_for(desk), transport=quicker) as source:
        with pytest.raises(Conflict):
            await source.adapter.record_swap(swap)
        with pytest.raises(Conflict, match="shows serial 'QUICKER'"):
            await source.adapter.record_swap(swap)

    assert store.shown(of(swap.failed))["Serial Number"] == ["QUICKER"]
    assert store.shown(of(swap.failed))["Model"] == ["C3850"]


def settings_for(desk: RequestTracker) -> dict[str, object]:
    """What a customer who has assets there writes."""
    return {
        "base_url": desk.url, "token": desk.token, "queues": [desk.queue], "catalogs": [CATALOG], "places": PLACES,
        "hubs": ["Depot Berlin"], "write_back": True, "failed_status": "defective",
        "asset_states": {"defective": "quarantined"},
    }  # fmt: skip


def asset_ref(number: str) -> SourceRef:
    """An asset by its number."""
    return SourceRef(kind=EntityKind.ASSET, external_id=number)


def of(ref: SourceRef | None) -> str:
    """The number of an asset."""
    assert ref is not None
    return ref.external_id


def spare_swap(store: Store) -> RecordSwap:
    """A device in Vienna that failed, and a spare of the depot that goes there."""
    old, new = f"OLD-{token_hex(4)}".upper(), f"NEW-{token_hex(4)}".upper()
    product = {"Manufacturer": "Cisco", "Model": "C9300", "Part_Number": "C9300-48P"}
    failed = store.add("in-use", Site="Vienna", Serial_Number=old, **product)
    spare = store.add("allocated", Site="Depot Berlin", Serial_Number=new, **product)
    return RecordSwap(
        key=token_hex(8), failed=asset_ref(failed), replacement=asset_ref(spare), failed_serial=old, serial=new,
        asset_tag=None, product=CISCO, product_ref=None, site=VIENNA, reference="4711",
    )  # fmt: skip


def renewal(store: Store) -> RecordSwap:
    """A device in Vienna that failed, of another model, and a unit for it that has no asset."""
    old, new = f"OLD-{token_hex(4)}".upper(), f"NEW-{token_hex(4)}".upper()
    failed = store.add(
        "in-use", Site="Vienna", Serial_Number=old, Asset_Tag=f"A-{old}", Manufacturer="Cisco", Model="C3850",
        Part_Number="WS-C3850",
    )  # fmt: skip
    return RecordSwap(
        key=token_hex(8), failed=asset_ref(failed), replacement=None, failed_serial=old, serial=new, asset_tag=None,
        product=CISCO, product_ref=None, site=VIENNA, reference="4711",
    )  # fmt: skip
