"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connector.sdk import Record
from connector.sdk.rest import ListedRow
from connector.sdk.testing import Contract, Golden
from connector_itop.client import objects_of
from connector_itop.config import ItopConfig
from connector_itop.mapping import asset_record, place_record, places_of, product_record
from connector_itop.relations import QUESTIONS
from connector_itop.rows import Caller, Device, read_row
from connector_itop.sandbox import ItopSandbox
from connector_itop.tickets import Beside, ticket_record

CONFIG = ItopConfig.model_validate(
    {
        "base_url": "https://itop.example.com", "username": "connector", "password": "of the payloads",
        "time_zone": "Europe/Paris", "countries": {"France": "FR"}, "hub_locations": ["Depot Lyon"],
    }
)  # fmt: skip


def read_payload(name: str, payload: bytes) -> Sequence[Record]:  # noqa: ARG001 - all payloads have one form
    """Records of answers by the names of their classes."""
    answers: dict[str, Any] = json.loads(payload)
    rows = {kind: objects_of(answer, f"read {kind}") for kind, answer in answers.items()}
    locations, devices = rows.get("Location", []), rows.get("PhysicalDevice", [])
    places = places_of(locations, CONFIG)
    related: dict[int, list[ListedRow]] = {}
    for row in (row for question in QUESTIONS for row in rows.get(question.kind, [])):
        related.setdefault(row["id"], []).append(row)
    beside = Beside(
        {row["id"]: read_row(Device, row, "device", CONFIG) for row in devices},
        {row["id"]: read_row(Caller, row, "caller", CONFIG) for row in rows.get("Person", [])},
        places,
    )
    return [
        *(place_record(row, places, CONFIG) for row in locations),
        *(product_record(row, CONFIG) for row in rows.get("Model", [])),
        *(asset_record(row, places, CONFIG, related=related.get(row["id"], [])) for row in devices),
        *(ticket_record(row, "UserRequest", beside, CONFIG) for row in rows.get("UserRequest", [])),
    ]


CONTRACT = Contract(
    adapter="itop",
    sandbox=ItopSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
