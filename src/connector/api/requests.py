"""Who asks for something."""

from __future__ import annotations

from dataclasses import dataclass

from connector.model.refs import IdempotencyKey


@dataclass(frozen=True, slots=True)
class Request:
    """Who asks for something, and the key that makes asking twice one effect."""

    actor: str
    key: IdempotencyKey
