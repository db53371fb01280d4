"""What the contract kit checks this adapter against."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path

from connector.sdk import Record
from connector.sdk.testing import Contract, Golden
from connector_zammad.config import ZammadConfig
from connector_zammad.mapping import Details, read_article, read_links, read_ticket, ticket_record
from connector_zammad.sandbox import STATE_TYPES, ZammadSandbox


def read_payload(name: str, payload: bytes) -> Sequence[Record]:
    """The record of a ticket, its links and its first article, as three requests tell them."""
    config = ZammadConfig.model_validate({"base_url": "https://zammad.example.com", "token": name})
    told = json.loads(payload)
    details = Details(read_links(told["links"]["links"]), read_article(told["article"]))
    return [ticket_record(read_ticket(told["ticket"]), told["ticket"], details, STATE_TYPES, config)]


CONTRACT = Contract(
    adapter="zammad",
    sandbox=ZammadSandbox,
    golden=Golden(Path(__file__).parent / "payloads", read=read_payload),
)
