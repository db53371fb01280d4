"""Snipe-IT's adapter and its sandbox against Snipe-IT's own description: Prism stands between the two."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

from connector.sdk import RecordSwap, SourceClient
from connector_snipe_it import SnipeIt
from connector_snipe_it.config import SnipeItConfig
from connector_snipe_it.sandbox import SnipeItSandbox
from tests.api.conftest import served
from tests.clients.described import Asked, Sorting, usable, watched
from tests.conftest import MovableClock

PUBLIC = "public in github.com/mguttmann/the-real-snipeit-mcp: vendor/snipe-it-rest-api.json at commit 97b0c84"
NOON = datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
API = "/api/v1"
ASSET = "/hardware/ID"


async def test_snipe_it_is_asked_as_its_description_says(prism: Path, tmp_path: Path):
    clock = MovableClock(NOON)
    sandbox = SnipeItSandbox(clock)
    spare, onto = (sandbox.operation(RecordSwap, key) for key in ("swap-1", "swap-2"))
    assert isinstance(spare, RecordSwap)
    assert isinstance(onto, RecordSwap)
    assert spare.failed is not None
    assert spare.product_ref is not None
    assert spare.site is not None
    onto = replace(
        onto, replacement=None, serial="NEW-1", asset_tag="TAG-1", revision="B2", warranty_ends_on=date(2030, 1, 31)
    )
    for _ in range(6):  # more than a page
        sandbox.new_asset(NOON - MINUTE)
    path = usable("snipe-it-rest-api.json", tmp_path, PUBLIC)

    async with served(sandbox.app()) as upstream, watched(prism, path, f"http://{upstream}{API}") as address:
        wire = Sorting([(API, API, address)], re.compile("[0-9]+"))
        config = SnipeItConfig.model_validate({**sandbox.settings(), "sites": "top"})
        async with SourceClient(str(config.base_url), headers=config.headers(), transport=wire) as http:
            adapter = SnipeIt(config, http, clock)
            await adapter.check()
            for stream in adapter.streams():
                pulled = [batch async for batch in adapter.pull(stream, None)]
                if pulled[-1].resume is not None:
                    clock.advance(MINUTE)
                    assert [batch async for batch in adapter.pull(stream, pulled[-1].resume)]
            for ref in (spare.failed, spare.product_ref, spare.site):
                assert (await adapter.fetch(ref)).ref == ref
            for swap in (spare, onto):
                await adapter.record_swap(swap)
                assert await adapter.find_swap(swap) is not None
        read = await wire.reads("http://assets.test/api/v1", WRONG, spare.failed.external_id)

    assert wire.asked == {
        *WITHOUT_SCHEME, ("GET", "/hardware"), ("GET", ASSET), ("GET", "/hardware/byserial/NEW-1"), ("PATCH", ASSET),
        ("POST", f"{ASSET}/checkin"),
    }  # fmt: skip
    assert wire.objections.keys() == {(*each, "request") for each in WITHOUT_SCHEME} | AGAINST_ITSELF
    assert read == WRONG.keys()


WITHOUT_SCHEME = {
    ("GET", "/locations"), ("GET", "/locations/ID"), ("GET", "/models"), ("GET", "/models/ID"),
    ("GET", "/statuslabels"), ("POST", f"{ASSET}/checkout"),
}  # fmt: skip
"""Where proof is asked for, of no kind: the description has no security scheme at all."""
AGAINST_ITSELF = {
    # a number where an asset is made, a text where it is checked in
    ("POST", f"{ASSET}/checkin", "request/body/location_id"),
    # an object here and a list where one serial is asked for; null where a model has no number
    ("GET", "/hardware", "response/body/rows/*/custom_fields"),
    ("GET", "/hardware", "response/body/rows/*/model_number"),
    # one of two shapes, both of which fit anything
    ("GET", "/hardware/byserial/NEW-1", "response/body"),
}  # fmt: skip
"""Where Snipe-IT's description says two things, or too little."""
WRONG: dict[Asked, object] = {
    ("PATCH", ASSET): {"status_id": "x"}, ("POST", f"{ASSET}/checkout"): {"status_id": "x"},
    ("POST", f"{ASSET}/checkin"): {"status_id": "x"},
}  # fmt: skip
"""Bodies that Prism must object to: where it cannot use a schema, it objects to nothing."""
