"""SANDBOX: posts events as Karrio does: unsigned, the secret itself in a header, and only once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import httpx

TIMEOUT = 5.0
MOST_FAILURES = 5
"""After more failures in a row than this Karrio switches a webhook off."""


@dataclass
class Hook:
    """A receiver of events."""

    url: str
    secret: str
    events: list[str]
    failures: int = 0

    @property
    def is_disabled(self) -> bool:
        """Whether it failed too often."""
        return self.failures > MOST_FAILURES


class Hooks:
    """All receivers."""

    def __init__(self) -> None:
        self.all: list[Hook] = []

    def add(self, url: str, secret: str, events: Sequence[str] = ("all",)) -> dict[str, Any]:
        """Add a receiver; what Karrio answers."""
        self.all.append(Hook(url, secret, list(events)))
        return self.told()[-1]

    def told(self) -> list[dict[str, Any]]:
        """The receivers as Karrio shows them."""
        return [
            {"id": f"weh_{number}", "object_type": "webhook", "url": hook.url, "secret": hook.secret,
             "enabled_events": hook.events, "disabled": hook.is_disabled, "test_mode": True}
            for number, hook in enumerate(self.all, 1)
        ]  # fmt: skip

    async def post(self, events: Sequence[Mapping[str, Any]]) -> None:
        """Post events to those who want them; what fails is not posted again."""
        if not events or not self.all:
            return
        async with httpx.AsyncClient(timeout=TIMEOUT, trust_env=False) as http:
            for hook in self.all:
                for event in events:
                    if hook.is_disabled or not {"all", event["event"]} & set(hook.events):
                        continue
                    hook.failures = 0 if await _post(http, hook, event) else hook.failures + 1


async def _post(http: httpx.AsyncClient, hook: Hook, event: Mapping[str, Any]) -> bool:
    try:
        answer = await http.post(hook.url, json=event, headers={"X-Event-Id": hook.secret})
    except httpx.HTTPError:
        return False
    return answer.is_success
