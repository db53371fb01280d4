"""The receiver that docs/events.md shows does what the page says."""

from __future__ import annotations

import base64
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest

from connector.outbound.events import probe
from connector.sdk.signing import signed_headers

SECRET = f"whsec_{base64.b64encode(bytes([5]) * 32).decode()}"
PAGE = Path("docs/events.md").read_text()


async def test_the_receiver_takes_an_event_once_and_refuses_what_is_forged_or_old(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("PORTAL_SECRET", SECRET)
    [written] = re.findall(r"```python receiver\n(.*?)```", PAGE, re.DOTALL)
    found: dict[str, Any] = {"print": lambda *told: taken.append(told[0])}
    taken: list[str] = []
    exec(written, found)  # noqa: S102 - the page's own code
    now = datetime.now(UTC)
    body = probe("1", source="connector", at=now).replace(b'"data"', b'"subject":"x","data"')
    good = signed_headers("1", now, body, (SECRET,))
    old = signed_headers("1", now - timedelta(hours=1), body, (SECRET,))

    async with httpx.AsyncClient(transport=httpx.ASGITransport(found["app"]), base_url="http://portal") as http:
        answers = [
            (await http.post("/events", content=content, headers=headers)).status_code
            for content, headers in ((body, good), (body, good), (body + b" ", good), (body, old))
        ]

    assert answers == [204, 204, 401, 401]
    assert taken == ["connector.test"]
