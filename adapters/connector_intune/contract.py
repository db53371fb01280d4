"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from connector.sdk import Record
from connector.sdk.testing import Contract, Golden
from connector_intune.config import IntuneConfig
from connector_intune.mapping import asset_record, is_wanted
from connector_intune.sandbox import IntuneSandbox
from connector_intune.sites import Sites, workplace

PAYLOADS = Path(__file__).parent / "payloads"
READ_AT = datetime(2026, 3, 1, tzinfo=UTC)
CONFIG = IntuneConfig.model_validate(
    {
        "tenant": "contoso.onmicrosoft.com", "client_id": "5f1c3a52-0d8e-4a5f-9a1b-6f3f1f1f7c11",
        "client_secret": "of the payloads", "points": {"HQ Munich": [48.14, 11.58]},
        "not_sites": ["Remote"], "categories": {"Replaced": "return_pending"},
        "hub_categories": {"Spares Hamburg": "Depot Hamburg"},
    }
)  # fmt: skip


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """Records of a list of people, or of devices with the people beside it."""
    rows = json.loads(payload)["value"]
    if name == "users.json":
        sites = Sites(CONFIG)
        sites.add_all(rows)
        return sites.records()
    people = json.loads((PAYLOADS / "users.json").read_bytes())["value"]
    places = {each["id"]: found.ref() for each in people if (found := workplace(each, CONFIG))}
    return [asset_record(row, places, CONFIG) for row in rows if is_wanted(row, CONFIG, READ_AT)]


CONTRACT = Contract(
    adapter="intune",
    sandbox=IntuneSandbox,
    golden=Golden(PAYLOADS, read=read_payload),
)
