"""Records that the match rules leave to a person: what is asked, what is answered, and what becomes of them."""

from __future__ import annotations

from typing import Any

import pytest
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine
from tests.conftest import MovableClock
from tests.ingest.conftest import Intake
from tests.ingest.records import SWITCH, asset, gone, product, ref, site, ticket

from connector.ingest.deciding import Decided, dismiss_review, link_identity, separate_identity
from connector.ingest.replay import discard
from connector.model.errors import IllegalTransition, InvalidInput, NotKnown
from connector.model.lifecycle import ReviewState
from connector.storage import tables
from connector.storage.database.engine import reading, transaction
from connector.storage.sources.reviews import ReviewRow, list_reviews, review_candidates

UNCLEAR: dict[str, Any] = {"serial": "S1", "asset_tag": "T2", "place": None, "product": None, "state": None}


class Desk:
    """Looks at reviews and decides them."""

    def __init__(self, engine: AsyncEngine, clock: MovableClock) -> None:
        self.engine, self.clock = engine, clock

    async def all(self) -> list[ReviewRow]:
        async with reading(self.engine) as tx:
            return [row for row, _ in await list_reviews(tx, tuple(ReviewState))]

    async def candidates(self, number: int) -> list[Any]:
        async with reading(self.engine) as tx:
            return await review_candidates(tx, number)

    async def link(self, number: int, asset_id: int) -> Decided:
        async with transaction(self.engine) as tx:
            return await link_identity(tx, number, asset_id, actor="ada", reason="looked", clock=self.clock)

    async def separate(self, number: int) -> Decided:
        async with transaction(self.engine) as tx:
            return await separate_identity(tx, number, actor="ada", reason=None, clock=self.clock)

    async def dismiss(self, number: int) -> Decided:
        async with transaction(self.engine) as tx:
            return await dismiss_review(tx, number, actor="ada", reason="later", clock=self.clock)


@pytest.fixture
async def desk(intake: Intake, clock: MovableClock) -> Desk:
    """One device is known by its serial, another one by its tag, and a record states both: review 1."""
    await intake(site(), asset("a1", serial="S1", asset_tag=None), asset("a2", serial=None, asset_tag="T2"))
    await intake(asset("77", **UNCLEAR, name="SW-9.lan", holder="Ms Lee"), source="itsm")
    return Desk(intake.engine, clock)


async def test_what_is_unclear_is_asked_with_all_that_speaks_for_and_against(desk: Desk, intake: Intake):
    [review] = await desk.all()
    [entry] = await intake.quarantine()
    one, two = await desk.candidates(review.id)

    assert (review.source, review.external_id, review.state) == ("itsm", "77", ReviewState.OPEN)
    assert (review.quarantine_id, review.name) == (entry["id"], "SW-9.lan")
    assert review.reason == (
        "the rules contradict each other: serial+manufacturer finds asset 1, asset_tag finds asset 2"
    )
    assert review.stated == {"serial": "S1", "asset_tag": "T2", "hostname": "sw-9"}
    assert [(a["rule"], a["found"], a["note"]) for a in review.attempts] == [
        ("serial+manufacturer", [1], None), ("asset_tag", [2], None),
        ("mac", [], "the record states no mac"), ("hostname+site", [], "the record states no site"),
    ]  # fmt: skip
    assert (one.asset_id, one.rules, two.asset_id, two.rules) == (1, ["serial+manufacturer"], 2, ["asset_tag"])
    assert [(f["fact"], f["stated"], f["known"], f["agreement"]) for f in one.facts] == [
        ("serial", "S1", "S1", "agrees"), ("manufacturer", None, "cisco", "missing"),
        ("asset_tag", "T2", None, "missing"), ("hostname", "sw-9", "sw-a1", "differs"),
        ("site", None, 1, "missing"), ("product", None, 1, "missing"),
    ]  # fmt: skip
    assert [change["operation"] for change in await intake.changes("identity_review")] == ["created"]


async def test_a_record_that_comes_again_is_one_question_renewed_where_something_is_new(desk: Desk, intake: Intake):
    await intake(asset("77", **UNCLEAR, name="SW-9.lan", holder="Ms Lee"), source="itsm")
    [same] = await desk.all()
    await intake(asset("77", **UNCLEAR | {"serial": None}, v=2), asset("78", **UNCLEAR, v=2), source="itsm")

    first, second = await desk.all()
    assert (same.id, same.state) == (1, ReviewState.OPEN)
    assert (first.id, first.state, first.asset_id) == (1, ReviewState.SETTLED, 2)
    assert (second.external_id, second.state) == ("78", ReviewState.OPEN)


async def test_evidence_that_has_changed_is_shown_as_it_is_now(desk: Desk, intake: Intake):
    await intake(asset("a1", v=2, serial="S1", asset_tag=None, macs=["00:1B:54:00:00:01"]))
    await intake(asset("77", **UNCLEAR, v=2, macs=["00:1B:54:00:00:01"]), source="itsm")

    [review] = await desk.all()
    assert review.state is ReviewState.OPEN
    assert [c.rules for c in await desk.candidates(review.id)] == [["serial+manufacturer", "mac"], ["asset_tag"]]
    newest = max(entry["id"] for entry in await intake.quarantine())
    assert review.quarantine_id == newest


async def test_a_link_uses_the_record_at_once_and_holds(desk: Desk, intake: Intake):
    await intake(ticket("5", asset=ref("asset", "77")), source="itsm")

    done = await desk.link(1, 2)
    await intake(asset("77", **UNCLEAR, v=3, holder="Mr Fox"), source="itsm")

    assert done == Decided(1, ReviewState.LINKED, 2, is_applied=True)
    assert [row["holder"] for row in await intake.rows("asset")] == [None, "Mr Fox"]
    assert (await intake.row("ticket"))["asset_id"] == 2
    assert await intake.quarantine() == []
    [review] = await desk.all()
    assert (review.state, review.asset_id, review.decided_by, review.decision_reason) == (
        ReviewState.LINKED, 2, "ada", "looked",
    )  # fmt: skip


async def test_a_device_of_its_own_never_comes_up_again(desk: Desk, intake: Intake):
    done = await desk.separate(1)
    await intake(asset("77", **UNCLEAR, v=3), source="itsm")
    await intake(gone("asset", "77", v=4), source="itsm")
    await intake(asset("77", **UNCLEAR, v=5), source="itsm")

    assert done == Decided(1, ReviewState.SEPARATE, 3, is_applied=True)
    assert [(row["serial"], row["asset_tag"]) for row in await intake.rows("asset")] == [
        ("S1", None), (None, "T2"), ("S1", "T2"),
    ]  # fmt: skip
    assert [review.state for review in await desk.all()] == [ReviewState.SEPARATE]


async def test_what_was_said_holds_for_a_record_that_something_else_keeps_waiting(desk: Desk, intake: Intake):
    record = asset("77", **UNCLEAR | {"product": ref("product", "p1")}, v=2)
    await intake(record, source="itsm")

    done = await desk.separate(1)
    await intake(product("p1", key=SWITCH), source="itsm")
    await intake(record, source="itsm")

    assert done == Decided(1, ReviewState.SEPARATE, None, is_applied=False)
    assert [review.asset_id for review in await desk.all()] == [3]
    assert await intake.quarantine() == []


async def test_a_dismissed_record_stays_whole_and_is_asked_again_only_when_something_is_new(desk: Desk, intake: Intake):
    done = await desk.dismiss(1)
    await intake(asset("77", **UNCLEAR, name="SW-9.lan", holder="Ms Lee"), source="itsm")
    states = [review.state for review in await desk.all()]
    await intake(asset("77", **UNCLEAR, v=2, name="SW-10.lan"), source="itsm")

    assert done == Decided(1, ReviewState.DISMISSED, None, is_applied=False)
    assert states == [ReviewState.DISMISSED]
    assert [review.state for review in await desk.all()] == [ReviewState.DISMISSED, ReviewState.OPEN]
    assert len(await intake.quarantine()) == 2
    assert (await desk.link(2, 1)).is_applied
    assert await intake.quarantine() == []


async def test_a_review_whose_record_is_given_up_is_settled(desk: Desk, intake: Intake):
    await discard(intake.engine, [(await intake.quarantine())[0]["id"]], actor="ada", clock=desk.clock)

    [review] = await desk.all()
    assert (review.state, review.asset_id, review.decided_by) == (ReviewState.SETTLED, None, None)


async def test_an_answer_makes_clear_what_depends_on_it(desk: Desk, intake: Intake):
    twins = {"asset_tag": None, "place": None, "product": None, "state": None}
    await intake(asset("81", serial="S1", **twins), asset("82", serial="S1", **twins), source="crm")

    await desk.link(2, 1)

    assert [(review.state, review.asset_id) for review in (await desk.all())[1:]] == [
        (ReviewState.LINKED, 1), (ReviewState.SETTLED, 3),
    ]  # fmt: skip
    async with reading(intake.engine) as tx:
        rows = await tx.execute(select(tables.asset.c.serial).order_by(tables.asset.c.id))
        assert list(rows.scalars()) == ["S1", None, "S1"]


async def test_what_cannot_be_answered_so_is_refused_and_changes_nothing(desk: Desk, intake: Intake):
    await intake(asset("79", serial=None, asset_tag=None, place=None, product=None), source="itsm")

    with pytest.raises(InvalidInput, match="source 'itsm' has another record of asset 3: what it knows as two devices"):
        await desk.link(1, 3)
    with pytest.raises(NotKnown, match="there is no asset with id 99"):
        await desk.link(1, 99)
    with pytest.raises(NotKnown, match="there is no identity review 9"):
        await desk.separate(9)
    await desk.link(1, 1)
    with pytest.raises(IllegalTransition, match="identity review 1 is decided: linked"):
        await desk.separate(1)

    assert len(await intake.rows("asset")) == 3
