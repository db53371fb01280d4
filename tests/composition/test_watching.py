"""Sources that see by themselves that something is new are pulled without waiting for their schedule."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from pathlib import Path

import pytest

from connector.hub import Hub, open_hub
from connector.ingest.reports import PullReport, StreamReport
from connector.model.kinds import SourceState
from connector.sdk.errors import Transient
from connector.settings.loading import load_settings
from connector.watching import watch_sources


class Watching:
    """A watched source, look by look. looks: what each shows, an exception for one that fails."""

    def __init__(self, tmp_path: Path, *, settings: str = "") -> None:
        (tmp_path / "sheets").mkdir()
        self._file = tmp_path / "connector.toml"
        self._file.write_text(f'[sources.sheets]\nadapter = "file"\ndirectory = "sheets"\n{settings}')
        self.pulls: list[tuple[int, tuple[str, ...] | None, str]] = []
        self.pauses: list[float] = []
        self.busy: set[int] = set()

    async def run(self, monkeypatch: pytest.MonkeyPatch, *looks: Mapping[str, str] | Exception) -> None:
        """Until all looks were taken."""
        left = iter(looks)
        done = asyncio.Event()

        async def glance() -> Mapping[str, str]:
            look = next(left)
            if isinstance(look, Exception):
                raise look
            return look

        async def pull(_: Hub, name: str, streams: tuple[str, ...] | None, *, by: str) -> PullReport:
            number = len(self.pauses) + 1
            self.pulls.append((number, streams, by))
            outcome = "busy" if number in self.busy else "done"
            reports = tuple(StreamReport(stream, outcome) for stream in streams or ())
            return PullReport(name, outcome, SourceState.OK, reports)

        async def pause(seconds: float) -> None:
            self.pauses.append(seconds)
            if len(self.pauses) == len(looks):
                done.set()
                await asyncio.Event().wait()

        async with open_hub(load_settings(self._file)) as hub:
            monkeypatch.setattr(hub.connections["sheets"].adapter, "glance", glance)
            watching = asyncio.create_task(watch_sources(hub, pull, pause=pause))
            if looks:
                await asyncio.wait_for(done.wait(), 20)
                watching.cancel()
            await asyncio.gather(watching, return_exceptions=True)


async def test_what_changed_is_pulled_in_the_order_of_streams_once_nobody_writes_at_it_any_more(tmp_path, monkeypatch):
    watching = Watching(tmp_path, settings="watch_seconds = 7\n")
    old, half, new = {"hubs": "1", "stock": "1"}, {"hubs": "1", "stock": "2"}, {"hubs": "2", "stock": "3"}

    await watching.run(monkeypatch, old, old, half, new, new, new)

    assert watching.pulls == [(5, ("hubs", "stock"), "watch")]
    assert set(watching.pauses) == {7}


async def test_a_change_while_the_source_is_being_pulled_is_pulled_afterwards(tmp_path, monkeypatch):
    watching = Watching(tmp_path)
    watching.busy = {3}
    new = {"stock": "2"}

    await watching.run(monkeypatch, {"stock": "1"}, new, new, new, new)

    assert watching.pulls == [(3, ("stock",), "watch"), (4, ("stock",), "watch")]


async def test_a_look_that_fails_is_said_once_and_changes_nothing(tmp_path, monkeypatch, caplog):
    watching = Watching(tmp_path)
    away = Transient("directory 'sheets' cannot be read", operation="list sheets")

    await watching.run(monkeypatch, {"stock": "1"}, away, away, {"stock": "1"}, {"stock": "1"})

    assert watching.pulls == []
    assert [r.getMessage() for r in caplog.records if "watched" in r.getMessage()] == [
        "source 'sheets' cannot be watched, its schedule goes on: directory 'sheets' cannot be read"
    ]


@pytest.mark.parametrize("settings", ['schedule = ""\n', "watch_seconds = 0\n"])
async def test_a_source_without_a_schedule_or_that_may_not_be_watched_is_left_alone(tmp_path, monkeypatch, settings):
    watching = Watching(tmp_path, settings=settings)

    await watching.run(monkeypatch)

    assert (watching.pulls, watching.pauses) == ([], [])
