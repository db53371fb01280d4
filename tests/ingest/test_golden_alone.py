"""What the only one to speak of a thing says is taken as it is; weighed against nothing it comes to the same."""

from __future__ import annotations

import asyncio
import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any, Final

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import select
from tests.conftest import MovableClock, share_compiled_statements
from tests.factories import NOW
from tests.ingest.conftest import Intake
from tests.ingest.records import SWITCH, asset, gone, hub, product, ref, site
from tests.ingest.test_golden import overridden

from connector.ingest import golden
from connector.ingest.tending import tend_golden_record
from connector.model.kinds import Criticality, HubTier, Lane
from connector.model.lifecycle import AssetState
from connector.rules.golden.choosing import Statement
from connector.rules.golden.fields import FIELDS
from connector.rules.golden.stating import restated
from connector.sdk import EntityKind, Point, ProductKey, Record
from connector.storage import tables
from connector.storage.database.engine import open_engine, reading

ROUTER: Final = ProductKey(manufacturer="Juniper", model="MX204")
COMPARED: Final = (
    *(tables.site, tables.hub, tables.product, tables.asset, tables.stock),
    *(tables.source_ref, tables.field_conflict, tables.change),
)
PEOPLE: Final = st.none() | st.sampled_from(["ada", "grace"])
TIMES: Final = st.integers(1, 4)

ASSETS: Final = st.builds(
    asset,
    st.sampled_from(["a1", "a2"]),
    v=TIMES,
    name=PEOPLE,
    serial=st.sampled_from(["SN-1", "SN-2", None]),
    asset_tag=st.none(),
    product=st.sampled_from([None, SWITCH, ROUTER]),
    place=st.sampled_from([None, ref("site", "s1"), ref("hub", "h1")]),
    state=st.sampled_from([None, AssetState.IN_STOCK, AssetState.DEPLOYED]),
    lane=st.none() | st.sampled_from(Lane),
    holder=PEOPLE,
    warranty_ends_on=st.sampled_from([None, date(2027, 1, 1), date(2028, 1, 1)]),
)
PLACES: Final = {
    "v": TIMES,
    "code": st.sampled_from([None, "C1", "C2"]),
    "point": st.sampled_from([None, Point(52.5, 13.4), Point(48, 11)]),
    "time_zone": st.sampled_from([None, "Europe/Berlin"]),
}
RECORDS: Final = st.one_of(
    ASSETS,
    st.builds(site, st.just("s1"), **PLACES, access_hours=st.sampled_from([None, "24x7"])),
    st.builds(
        hub,
        st.sampled_from(["h1", "h2"]),
        **PLACES,
        tier=st.none() | st.sampled_from(HubTier),
        courier_cut_offs=st.sampled_from([None, ("16:00",), ("12:00", "18:00")]),
    ),
    st.builds(
        product,
        st.sampled_from(["p1", "p2"]),
        v=TIMES,
        key=st.sampled_from([SWITCH, ROUTER]),
        sku=st.sampled_from([None, "K-1", "K-2"]),
        criticality=st.none() | st.sampled_from(Criticality),
        weight_g=st.sampled_from([None, 700]),
    ),
    st.builds(gone, st.just("asset"), st.sampled_from(["a1", "a2"]), v=TIMES),
)
BATCHES: Final = st.lists(
    st.tuples(st.sampled_from(["cmdb", "mdm"]), st.lists(RECORDS, min_size=1, max_size=4)), min_size=1, max_size=5
)
ORDERS: Final = st.sampled_from([{}, {"default": ["mdm", "cmdb"]}, {"asset.holder": ["mdm"], "hub": ["cmdb"]}])


def test_taken_as_it_is_and_weighed_everything_becomes_the_same(sqlite_template: Path, monkeypatch: pytest.MonkeyPatch):
    """The same batches in two hubs: the rows, what sources state, conflicts and changes are the same, every one."""

    @given(batches=BATCHES, orders=ORDERS, overriding=st.none() | st.integers(0, 4))
    @settings(max_examples=40, deadline=None, suppress_health_check=list(HealthCheck), database=None)
    def same(batches: list[tuple[str, list[Record]]], orders: Mapping[str, Sequence[str]], overriding: Any) -> None:
        with monkeypatch.context() as patch:
            as_it_is = asyncio.run(_became(sqlite_template, batches, orders, overriding))
            patch.setattr(golden, "speaks_alone", lambda _told: False)
            weighed = asyncio.run(_became(sqlite_template, batches, orders, overriding))
        assert as_it_is == weighed

    same()


async def _became(
    template: Path, batches: list[tuple[str, list[Record]]], orders: Mapping[str, Sequence[str]], overriding: int | None
) -> dict[str, list[dict[str, Any]]]:
    with tempfile.TemporaryDirectory() as directory:
        file = shutil.copyfile(template, Path(directory) / "connector.db")
        engine = open_engine(f"sqlite:///{file}")
        share_compiled_statements(engine)
        try:
            intake = Intake(engine, MovableClock(NOW))
            await tend_golden_record(engine, intake.clock, orders, {})
            for number, (source, records) in enumerate(batches):
                if number == overriding and (rows := await intake.rows("asset")):
                    await overridden(intake, rows[0]["id"], "holder", "somebody")
                await intake(*records, source=source)
            async with reading(engine) as tx:
                return {
                    table.name: [dict(row) for row in (await tx.execute(select(table).order_by(table.c.id))).mappings()]
                    for table in COMPARED
                }
        finally:
            await engine.dispose()


VALUES: Final = st.dictionaries(
    st.sampled_from([column for field in FIELDS[EntityKind.SITE].values() for column in field.columns]),
    st.none() | st.sampled_from(["x", "y"]),
)


@given(st.lists(st.tuples(st.sampled_from(["a", "b"]), VALUES, st.integers(1, 20)), max_size=8))
def test_what_is_said_again_keeps_its_time_and_what_is_new_is_said_last(
    sayings: list[tuple[str, dict[str, str | None], int]],
):
    told: dict[tuple[str, str], dict[str, Statement]] = {}
    for name, values, at in sayings:
        teller, before = ("cmdb", name), json.dumps([*told.items()], default=str)
        said = restated(EntityKind.SITE, told, teller, values, at=at, version=at)

        earlier = told.get(teller, {})
        for field in FIELDS[EntityKind.SITE].values():
            given_ = tuple(values.get(column) for column in field.columns)
            if not set(field.columns) & set(values):
                assert said.get(field.name) == earlier.get(field.name)
            elif set(given_) == {None}:
                assert field.name not in said
            elif field.name in earlier and earlier[field.name].values == given_:
                assert said[field.name] is earlier[field.name]
            else:
                last = max([0, *(each[field.name].said for each in told.values() if field.name in each)])
                assert said[field.name] == (given_, max(at, last + 1), at)
        assert json.dumps([*told.items()], default=str) == before
        told[teller] = said
