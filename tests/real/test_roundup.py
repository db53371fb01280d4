"""A tracker that nobody here wrote, by the document that the package of `rest` brings for it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from secrets import token_hex

import pytest

import connector_rest
from connector.sdk import (
    AuthError,
    Conflict,
    EntityKind,
    Invalid,
    NotFound,
    SetTicketFields,
    SetTicketState,
    SourceRef,
    TicketRecord,
    TicketState,
)
from tests.real.connected import Interrupting, Source, connected
from tests.real.roundup import USERS, Roundup

DOCUMENT = Path(connector_rest.__file__).with_name("roundup.yaml")
EXAMPLE_URL = "https://tracker.example.com"
PAGE = 3


@pytest.fixture
def document(tracker: Roundup, tmp_path: Path) -> Path:
    """The document of the package, with this tracker's address and short pages."""
    text = DOCUMENT.read_text(encoding="utf-8")
    assert text.count(EXAMPLE_URL) == 2
    assert text.count("size: 100") == 1
    written = tmp_path / "roundup.yaml"
    written.write_text(text.replace(EXAMPLE_URL, tracker.url).replace("size: 100", f"size: {PAGE}"), encoding="utf-8")
    return written


def as_user(
    document: Path, tracker: Roundup, name: str = "hub", password: str = "", transport: Interrupting | None = None
) -> AbstractAsyncContextManager[Source]:
    settings = {"definition": str(document), "identity": name, "secret": password or tracker.password}
    return connected("rest", settings, transport=transport)


@pytest.fixture
async def source(document: Path, tracker: Roundup) -> AsyncIterator[Source]:
    async with as_user(document, tracker) as source:
        yield source


def _asked_in(document: Path, zone: str) -> None:
    text = document.read_text(encoding="utf-8")
    changes = 'value: "{time};", time_zone: '
    assert text.count(f"{changes}UTC") == 1
    document.write_text(text.replace(f"{changes}UTC", f"{changes}{zone}"), encoding="utf-8")


def ticket(number: str) -> SourceRef:
    return SourceRef(kind=EntityKind.TICKET, external_id=number)


async def test_issues_of_several_pages_arrive_with_their_words_translated(source: Source, tracker: Roundup) -> None:
    serial = token_hex(6).upper()
    before = datetime.now(UTC) - timedelta(seconds=2)
    numbers = [tracker.add_issue(title=f"Switch {n}", serial=f"{serial}-{n}", site="Hamburg") for n in range(2 * PAGE)]
    last = tracker.add_issue(title="Ünruhig 🔥", status="need-eg", priority="critical")

    found = await source.records("tickets")

    assert {*numbers, last} <= found.keys()
    first, strange = found[numbers[0]], found[last]
    assert isinstance(first, TicketRecord)
    assert isinstance(strange, TicketRecord)
    assert (first.number, first.title, first.state, first.priority) == (numbers[0], "Switch 0", "new", "P2")
    assert (first.serial, first.site_name, first.requester) == (f"{serial}-0", "Hamburg", "anna")
    assert first.opened_at == first.updated_at
    assert before <= first.opened_at <= datetime.now(UTC)
    assert (strange.title, strange.state, strange.priority) == ("Ünruhig 🔥", "on_hold", "P1")


@pytest.mark.parametrize("name", USERS)
async def test_the_next_pull_brings_what_changed_in_the_zone_of_the_users_settings(
    name: str, document: Path, tracker: Roundup
) -> None:
    """Roundup shows times in UTC and reads those of queries in the user's own zone."""
    _asked_in(document, USERS[name])
    old = [tracker.add_issue(title=f"old {n}") for n in range(PAGE + 1)]
    recent = datetime.now(UTC)
    async with as_user(document, tracker, name) as source:
        batches = await source.batches("tickets")
        assert {*old} <= {item.ref.external_id for batch in batches for item in batch.records}

        tracker.change(old[1], title="changed")
        new = tracker.add_issue(title="new")
        found = await source.records("tickets", batches[-1].resume)

        assert isinstance(found[old[1]], TicketRecord)
        assert found[old[1]].title == "changed"
        assert new in found
        window = timedelta(minutes=5, seconds=5)
        assert all(record.updated_at >= recent - window for record in found.values())


async def test_a_state_is_set_once_and_only_where_nobody_was_quicker(
    source: Source, document: Path, tracker: Roundup
) -> None:
    number = tracker.add_issue(title="to be worked on")
    op = SetTicketState(token_hex(8), ticket(number), TicketState.IN_PROGRESS)
    assert await source.adapter.find(op) is None

    await source.adapter.push(op)

    assert tracker.issue(number)["status"]["name"] == "in-progress"  # type: ignore[index]
    activity = tracker.issue(number)["activity"]
    assert (await source.adapter.push(op)).external_id == number
    assert (await source.adapter.find(op)).external_id == number
    assert tracker.issue(number)["activity"] == activity
    quicker = Interrupting("PATCH", lambda: tracker.change(number, status="resolved"))
    async with as_user(document, tracker, transport=quicker) as second:
        with pytest.raises(Conflict):
            await second.adapter.push(SetTicketState(token_hex(8), ticket(number), TicketState.ON_HOLD))
    assert tracker.issue(number)["status"]["name"] == "resolved"  # type: ignore[index]


async def test_fields_are_set_and_a_field_that_is_not_there_is_refused_with_roundups_reason(
    source: Source, tracker: Roundup
) -> None:
    number = tracker.add_issue(title="without device")
    op = SetTicketFields(token_hex(8), ticket(number), {"serial": 'SN <&> "ü" 🔥', "site": "Wien"})

    await source.adapter.push(op)

    assert (tracker.issue(number)["serial"], tracker.issue(number)["site"]) == ('SN <&> "ü" 🔥', "Wien")
    assert (await source.adapter.find(op)).external_id == number
    with pytest.raises(Invalid, match="Property colour not found in class issue"):
        await source.adapter.push(SetTicketFields(token_hex(8), ticket(number), {"colour": "red"}))
    with pytest.raises(NotFound):
        await source.adapter.push(SetTicketFields(token_hex(8), ticket("999999"), {"site": "Wien"}))


async def test_a_wrong_password_is_told_as_such(source: Source, document: Path, tracker: Roundup) -> None:
    assert (await source.adapter.check()).detail == "Roundup"
    async with as_user(document, tracker, password="wrong") as stranger:
        with pytest.raises(AuthError):
            await stranger.adapter.check()


def test_trying_the_document_shows_issues_beside_their_records(document: Path, tracker: Roundup) -> None:
    tracker.add_issue(title="shown")
    command = [sys.executable, "-m", "connector", "adapters", "try", str(document), "--json"]
    asked = [*command, "--identity", "hub", "--secret-env", "ROUNDUP_PASSWORD"]

    done = subprocess.run(
        asked, env={**os.environ, "ROUNDUP_PASSWORD": tracker.password}, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stderr
    (stream,) = json.loads(done.stdout)
    assert stream["stream"] == "tickets"
    assert stream["rejected"] == 0
    assert 0 < stream["rows"] <= PAGE
    assert tracker.password not in done.stdout + done.stderr
