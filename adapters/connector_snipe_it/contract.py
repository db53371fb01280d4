"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from connector.sdk import Record
from connector.sdk.testing import Contract, Golden
from connector_snipe_it.config import SnipeItConfig
from connector_snipe_it.mapping import asset_record, product_record, tombstone
from connector_snipe_it.places import place_record, places_of
from connector_snipe_it.sandbox import SnipeItSandbox

CONFIG = SnipeItConfig.model_validate(
    {
        "base_url": "https://assets.example.com", "token": "of the payloads", "time_zone": "Europe/Berlin",
        "hub_locations": ["Depot Hamburg"], "points": {"Depot Hamburg": [53.55, 10.0]},
        "custom_fields": {"revision": "Hardware revision"},
    }
)  # fmt: skip


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """Records of an answer of the list that the file is named after, with the locations beside it."""
    rows = json.loads(payload)["rows"]
    locations = json.loads((Path(__file__).parent / "payloads" / "locations.json").read_bytes())["rows"]
    places = places_of(locations, CONFIG)
    match name:
        case "locations.json":
            return [place_record(row, places, CONFIG) for row in rows if places.stands_for_itself(row["id"])]
        case "models.json":
            return [product_record(row, CONFIG) for row in rows]
        case _:
            return [tombstone(r, CONFIG) if r["deleted_at"] else asset_record(r, places, CONFIG) for r in rows]


CONTRACT = Contract(
    adapter="snipe_it",
    sandbox=SnipeItSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
