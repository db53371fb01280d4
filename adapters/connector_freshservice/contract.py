"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connector.sdk import Record
from connector.sdk.testing import Contract, Golden
from connector_freshservice.assets import AssetTypes, asset_record, product_record
from connector_freshservice.config import FreshserviceConfig
from connector_freshservice.names import read_form
from connector_freshservice.places import place_record, tree_of
from connector_freshservice.relations import Relations, RelationTypes
from connector_freshservice.sandbox import FreshserviceSandbox
from connector_freshservice.tickets import Desk

CONFIG = FreshserviceConfig.model_validate(
    {
        "base_url": "https://example.freshservice.com", "api_key": "of the payloads", "hub_locations": ["Depot"],
        "points": {"Depot": [53.55, 10.0]}, "countries": {"England": "GB"},
        "custom_fields": {"revision": "hw_revision"},
        "serial_field": "Serial", "department_sites": {"IT": "London"},
    }
)  # fmt: skip


def read_payload(name: str, payload: bytes) -> Sequence[Record]:  # noqa: ARG001 - all payloads have one form
    """Records of answers by the names of their lists."""
    answers: dict[str, list[Any]] = json.loads(payload)
    types = AssetTypes.of(answers["asset_types"], CONFIG)
    places = tree_of(answers["locations"], CONFIG)
    desk = Desk(read_form(answers["ticket_fields"]), CONFIG, types)
    found: list[Record | None] = [place_record(row, places, CONFIG) for row in answers["locations"]]
    found += [product_record(row, types) for row in answers["products"]]
    relations = Relations(answers["relationships"], RelationTypes.of(answers["relationship_types"], CONFIG))
    found += [asset_record(row, types, places, CONFIG, relations) for row in answers["assets"]]
    found += [desk.record(row) for row in answers["tickets"]]
    return [record for record in found if record is not None]


CONTRACT = Contract(
    adapter="freshservice",
    sandbox=FreshserviceSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
