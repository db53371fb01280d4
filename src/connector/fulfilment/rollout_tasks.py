"""What people are asked to do for a rollout: stage a wave, hand it over, see why it halted or lacks units."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from connector.model.kinds import TaskKind
from connector.model.lifecycle import RolloutLineState, RolloutState, TaskState
from connector.storage.database.engine import Transaction
from connector.storage.rollouts.facts import RolloutProduct, RolloutSite, rollout_product
from connector.storage.rollouts.lines import LineRow
from connector.storage.rollouts.rollouts import RolloutRow
from connector.storage.rollouts.tasks import KitPart, hubs_at_work, insert_tasks, kit_parts, wave_tasks
from connector.storage.rollouts.units import ClaimedUnit, names_of_units
from connector.storage.tickets.tasks import NewTask, move_task, require_task, unfinished_tasks

_WORKED_ON = {
    TaskKind.STAGING: frozenset({RolloutLineState.RESERVED}),
    TaskKind.HANDOVER: frozenset({RolloutLineState.STAGED, RolloutLineState.LABELLED}),
}
"""States of lines that a task of a kind is still about."""


async def require_staging(
    tx: Transaction,
    rollout: RolloutRow,
    claimed: Sequence[ClaimedUnit],
    lines: Mapping[int, LineRow],
    sites: Mapping[int, RolloutSite],
    *,
    actor: str,
    at: datetime,
) -> None:
    """A task for each hub to stage its part of the newest wave, with the units and where each goes."""
    product = await rollout_product(tx, rollout.product_id)
    parts = await kit_parts(tx, rollout.product_id)
    names = await names_of_units(tx, [unit.asset_id for unit in claimed if unit.asset_id is not None])
    by_hub: dict[int, list[ClaimedUnit]] = {}
    for unit in claimed:
        hub_id = lines[unit.line.id].hub_id
        if hub_id is not None:
            by_hub.setdefault(hub_id, []).append(unit)
    tasks = []
    for hub_id, units in by_hub.items():
        count = sum(unit.line.quantity for unit in units)
        packing = [_packed(unit, product, names, sites) for unit in units]
        tasks.append(
            NewTask(
                key=f"staging:{rollout.id}:{rollout.wave}:{hub_id}",
                kind=TaskKind.STAGING,
                title=f"Stage {count} × {product.facts.label} for wave {rollout.wave} of rollout {rollout.name}",
                instructions=_staging(rollout),
                packing_list=[*packing, *(_part(part, count) for part in parts)],
                ticket_id=rollout.ticket_id,
                hub_id=hub_id,
                rollout_id=rollout.id,
                wave=rollout.wave,
            )
        )
    await insert_tasks(tx, tasks, actor=actor, cause=f"rollout {rollout.name}", at=at)


async def require_handover(
    tx: Transaction,
    rollout: RolloutRow,
    *,
    wave: int,
    hub_id: int,
    packing: list[dict[str, Any]],
    actor: str,
    at: datetime,
) -> int:
    """The task to give what was staged to the courier; returns its id."""
    new = NewTask(
        key=f"handover:{rollout.id}:{wave}:{hub_id}",
        kind=TaskKind.HANDOVER,
        title=f"Hand over {len(packing)} parcels of wave {wave} of rollout {rollout.name}",
        instructions=(
            "Attach to each parcel its own label, which is bought for it as soon as it is staged, and give all of them "
            "to the courier. Confirming takes those out of stock that have a label; the others stay with this task."
        ),
        packing_list=packing,
        ticket_id=rollout.ticket_id,
        hub_id=hub_id,
        rollout_id=rollout.id,
        wave=wave,
    )
    return await require_task(tx, new, actor=actor, cause=f"rollout {rollout.name}", at=at)


async def close_wave_tasks(tx: Transaction, rollout: RolloutRow, *, actor: str, at: datetime) -> None:
    """Close what nobody needs to do any more: the lines went on without it, or the rollout was stopped."""
    tasks = await wave_tasks(tx, rollout.id)
    if not tasks:
        return
    at_work = await hubs_at_work(tx, rollout.id)
    target = TaskState.DONE if rollout.state is RolloutState.RUNNING else TaskState.CANCELLED
    for item in tasks:
        states = at_work.get((item.wave, item.hub_id), frozenset())
        if rollout.state is not RolloutState.RUNNING or not states & _WORKED_ON[item.kind]:
            await move_task(tx, item.id, target, actor=actor, cause=f"rollout {rollout.name}", at=at)


async def require_shortage(tx: Transaction, rollout: RolloutRow, short: int, *, actor: str, at: datetime) -> None:
    """Ask a planner for units while lines wait for them and nothing else can go on; close that when there are some."""
    key = f"rollout-short:{rollout.id}"
    if not short:
        await _close(tx, rollout, key, TaskState.DONE, actor=actor, at=at)
        return
    new = NewTask(
        key=key,
        kind=TaskKind.REVIEW,
        title=f"Rollout {rollout.name} waits for units: {short} lines are short",
        instructions=(
            "No hub has a unit that the rollout may use; each line says why. It goes on by itself as soon as there are "
            "some. Order or move units, have it keep less free, or cancel it."
        ),
        ticket_id=rollout.ticket_id,
        rollout_id=rollout.id,
        wave=rollout.wave or None,
    )
    await require_task(tx, new, actor=actor, cause=f"rollout {rollout.name}", at=at)


async def tell_halted(
    tx: Transaction, rollout: RolloutRow, reason: str, *, at: datetime, actor: str = "rollouts"
) -> None:
    """Ask a person to look at a rollout that was halted."""
    new = NewTask(
        key=f"rollout-halted:{rollout.id}",
        kind=TaskKind.REVIEW,
        title=f"Rollout {rollout.name} was halted",
        instructions=(
            f"{reason}. Units that had not left their hubs were given back. See what went wrong with the lines that "
            "failed, then resume it with a reason, or cancel it."
        ),
        ticket_id=rollout.ticket_id,
        rollout_id=rollout.id,
        wave=rollout.wave or None,
    )
    await require_task(tx, new, actor=actor, cause=f"rollout {rollout.name}", at=at)


async def close_questions(tx: Transaction, rollout: RolloutRow, *, actor: str, at: datetime) -> None:
    """A person has decided about a rollout that was halted, or that waited for units."""
    for key in (f"rollout-halted:{rollout.id}", f"rollout-short:{rollout.id}"):
        await _close(tx, rollout, key, TaskState.DONE, actor=actor, at=at)


async def _close(
    tx: Transaction, rollout: RolloutRow, key: str, target: TaskState, *, actor: str, at: datetime
) -> None:
    for item in await unfinished_tasks(tx, ticket_id=rollout.ticket_id, key_prefixes=[key]):
        if item.key.partition("~")[0] == key:
            await move_task(tx, item.id, target, actor=actor, cause=f"rollout {rollout.name}", at=at)


def _staging(rollout: RolloutRow) -> str:
    steps = [
        "1. Pick the units below; the numbers tell them apart.",
        f"2. Prepare each of them: {rollout.preparation}." if rollout.preparation else "2. Nothing is to be prepared.",
        "3. Check each of them, and mark it with where it goes.",
        "4. Confirm this task. Labels are bought then, and the task to hand the parcels over follows.",
        "A unit that is not fit: release its claim before you confirm, and its site is planned anew, or report its "
        "line as failed. Keep the unit itself apart, and have it taken out of stock where its state is kept.",
    ]
    return "\n".join(steps)


def _packed(
    unit: ClaimedUnit,
    product: RolloutProduct,
    names: Mapping[int, tuple[str | None, str | None]],
    sites: Mapping[int, RolloutSite],
) -> dict[str, Any]:
    serial, tag = names.get(unit.asset_id, (None, None)) if unit.asset_id is not None else (None, None)
    site = sites[unit.line.site_id].facts
    return {
        "product": product.facts.label,
        "part_number": product.facts.part_number,
        "quantity": unit.line.quantity,
        "serial": serial,
        "asset_tag": tag,
        "is_device": True,
        "destination": f"{site.name} ({site.code})" if site.code and site.code != site.name else site.name,
    }


def _part(part: KitPart, devices: int) -> dict[str, Any]:
    return {
        "product": part.product,
        "part_number": part.part_number,
        "quantity": part.quantity * devices,
        "serial": None,
        "asset_tag": None,
        "is_device": False,
        "destination": None,
    }
