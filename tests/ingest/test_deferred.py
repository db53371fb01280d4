"""Records that are made only when something in them is new."""

from __future__ import annotations

from typing import NoReturn

import pytest
from tests.ingest.conftest import Intake
from tests.ingest.records import asset, deferred, gone, ref, site, version

from connector.ingest.apply import MakingError
from connector.model.errors import InvalidRecord
from connector.sdk import Deferred, Record


def never() -> NoReturn:
    raise AssertionError("an unchanged record was made")


async def test_what_is_unchanged_is_not_made_and_writes_nothing(intake: Intake):
    record = asset("a", v=1)
    await intake(site(), deferred(record))
    before, refs = await intake.changes(), await intake.refs()

    applied = await intake(deferred(record, make=never))

    assert (applied.seen, applied.unchanged) == (1, 1)
    assert await intake.changes() == before
    assert await intake.refs() == refs


async def test_what_is_new_is_made_and_changes_the_asset(intake: Intake):
    await intake(site(), deferred(asset("a", v=1, holder="Lee")))

    applied = await intake(deferred(asset("a", v=2, holder="Kim")))

    assert applied.updated == 1
    assert (await intake.row("asset"))["holder"] == "Kim"


async def test_an_older_version_is_not_applied(intake: Intake):
    await intake(site(), deferred(asset("a", v=2, holder="Kim")))

    applied = await intake(deferred(asset("a", v=1, holder="Lee"), make=never))

    assert applied.unchanged == 1
    assert (await intake.row("asset"))["holder"] == "Kim"


async def test_the_same_content_after_a_deletion_brings_the_asset_back(intake: Intake):
    await intake(site(), deferred(asset("a", v=1)))
    await intake(gone("asset", "a", v=2))

    await intake(deferred(asset("a", v=3)))

    assert (await intake.row("asset"))["retired_at"] is None


async def test_a_webhook_s_record_of_the_same_content_changes_no_asset(intake: Intake):
    record = asset("a", v=1)
    await intake(site(), deferred(record))
    before = await intake.changes()

    await intake(record)
    await intake(deferred(record))

    assert await intake.changes() == before


async def test_what_cannot_be_made_is_quarantined_and_the_others_arrive(intake: Intake):
    def fail() -> Record:
        raise InvalidRecord("status 'on fire' has no meaning here", path="/status")

    applied = await intake(site(), deferred(asset("a", v=1), make=fail), deferred(asset("b", v=1)))

    (entry,) = await intake.quarantine()
    assert applied.quarantined == 1
    assert (entry["external_ref"], entry["path"]) == ("asset:a", "/status")
    assert entry["reason"] == "status 'on fire' has no meaning here"
    assert [row["serial"] for row in await intake.rows("asset")] == ["SN-B"]


async def test_a_record_that_is_not_the_announced_one_is_a_defect_of_the_adapter(intake: Intake):
    with pytest.raises(MakingError) as caught:
        await intake(site(), deferred(asset("a", v=1), make=lambda: asset("b", v=1)))

    assert "asset:a" in str(caught.value.__cause__)
    assert await intake.rows("asset") == []


def test_what_must_not_be_deferred_is_refused():
    with pytest.raises(ValueError, match="old reports still bring scans"):
        Deferred(ref("shipment", "1"), version(1), b"0" * 16, b"", never)
    with pytest.raises(ValueError, match="has 8 bytes, not 16 or more"):
        Deferred(ref("asset", "1"), version(1), b"0" * 8, b"", never)
