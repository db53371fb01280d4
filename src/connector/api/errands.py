"""Commands that ask external systems: done here, or by a process that works when this one only answers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import datetime
from typing import Any, Protocol, TypeAlias

from connector.api.commands import Commands, pulled
from connector.api.requests import Request
from connector.ingest.reports import PullReport

SYNC, PLAN, APPLY, REPLAY = "sync-source", "plan-sync", "apply-sync-plan", "replay-quarantine"

_Told: TypeAlias = Mapping[str, Any]


class Errands(Protocol):
    """Takes and runs errands, whose arguments and results are plain JSON."""

    def errand(self, name: str, do: Callable[[_Told], Awaitable[dict[str, Any]]]) -> None:
        """Name something that others may ask for."""

    async def run_errand(self, name: str, argument: _Told) -> dict[str, Any]:
        """Have it done. Raises what it is refused with."""


def take_errands(errands: Errands, commands: Commands) -> None:
    """Do these commands for processes that only answer."""

    async def sync(told: _Told) -> dict[str, Any]:
        since = datetime.fromisoformat(told["since"]) if told["since"] else None
        report = await commands.sync_source(told["source_id"], told["streams"], told["full"], since, _by(told))
        return asdict(report)

    async def plan(told: _Told) -> dict[str, Any]:
        number = await commands.syncing.plan(
            told["source_id"], told["streams"], told["full"], told["exceeds"], _by(told)
        )
        return {"plan": number}

    async def apply(told: _Told) -> dict[str, Any]:
        await commands.syncing.apply(told["plan"], _by(told))
        return {}

    async def replay(told: _Told) -> dict[str, Any]:
        return {"settled": await commands.replay_quarantine(told["ids"], _by(told))}

    for name, do in ((SYNC, sync), (PLAN, plan), (APPLY, apply), (REPLAY, replay)):
        errands.errand(name, do)


def send_errands(errands: Errands, commands: Commands) -> Commands:
    """The commands of a process that only answers: others do what asks external systems."""

    async def sync(
        source_id: int, streams: Sequence[str] | None, full: bool, since: datetime | None, by: Request
    ) -> PullReport:
        told = {"source_id": source_id, "streams": _listed(streams), "full": full, "since": _text(since), **asdict(by)}
        return pulled(await errands.run_errand(SYNC, told))

    async def plan(source_id: int, streams: Sequence[str] | None, full: bool, exceeds: bool, by: Request) -> int:
        told = {"source_id": source_id, "streams": _listed(streams), "full": full, "exceeds": exceeds, **asdict(by)}
        return int((await errands.run_errand(PLAN, told))["plan"])

    async def apply(number: int, by: Request) -> None:
        await errands.run_errand(APPLY, {"plan": number, **asdict(by)})

    async def replay(ids: Sequence[int], by: Request) -> int:
        return int((await errands.run_errand(REPLAY, {"ids": list(ids), **asdict(by)}))["settled"])

    syncing = replace(commands.syncing, plan=plan, apply=apply)
    return replace(commands, sync_source=sync, replay_quarantine=replay, syncing=syncing)


def _by(told: _Told) -> Request:
    return Request(actor=told["actor"], key=told["key"])


def _listed(streams: Sequence[str] | None) -> list[str] | None:
    return None if streams is None else list(streams)


def _text(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
