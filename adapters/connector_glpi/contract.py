"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from connector.sdk import Record
from connector.sdk.testing import Contract, Golden
from connector_glpi.config import GlpiConfig
from connector_glpi.mapping import asset_record, product_record
from connector_glpi.names import Catalogue, Statuses
from connector_glpi.places import place_record, tree_of
from connector_glpi.rows import Details, Item, Link, Member, Named, read_row
from connector_glpi.sandbox import GlpiSandbox
from connector_glpi.tickets import ticket_record

CONFIG = GlpiConfig.model_validate(
    {
        "base_url": "https://glpi.example.com", "user_token": "of the payloads", "time_zone": "Europe/Paris",
        "countries": {"France": "FR"},
    }
)  # fmt: skip


def read_payload(name: str, payload: bytes) -> Sequence[Record]:  # noqa: ARG001 - all payloads have one form
    """Records of answers by the names of their lists; `details` is what else was asked of the tickets."""
    answers: dict[str, Any] = json.loads(payload)
    places = tree_of(answers.get("Location", []), CONFIG)
    statuses = Statuses(_names(answers, "State"), CONFIG)
    catalogue = Catalogue(_names(answers, "Manufacturer"), {"Computer": _names(answers, "ComputerModel")})
    computers = answers.get("Computer", [])
    found: list[Record | None] = [place_record(row, places, CONFIG) for row in answers.get("Location", [])]
    found += [product_record(row, "Computer", catalogue, CONFIG) for row in computers]
    found += [asset_record(row, "Computer", places, statuses, CONFIG) for row in computers]
    details = answers.get("details", {})
    told = Details(
        tuple(Member(*each) for each in details.get("members", ())),
        tuple(Item(*each) for each in details.get("items", ())),
        tuple(Link(*each) for each in details.get("links", ())),
    )
    found += [ticket_record(row, told, places, CONFIG) for row in answers.get("Ticket", [])]
    return [record for record in found if record is not None]


def _names(answers: dict[str, Any], kind: str) -> dict[int, Named]:
    rows = (read_row(Named, row, kind, CONFIG.time_zone) for row in answers.get(kind, []))
    return {row.id: row for row in rows}


CONTRACT = Contract(
    adapter="glpi",
    sandbox=GlpiSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
