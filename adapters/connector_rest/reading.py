"""Documents of the adapter `rest`: facts about a system's lists and writes."""

from __future__ import annotations

from connector.sdk.facts import DocumentKind
from connector_rest.consistency import findings
from connector_rest.definition import Definition

DOCUMENTS = DocumentKind(
    Definition,
    findings,
    keys="system, base_url, auth, streams",
    hint="correct it, and see `connector adapters try`",
)
"""Reads them."""
