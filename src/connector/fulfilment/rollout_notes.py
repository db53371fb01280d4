"""What the ticket of a rollout is told: when it begins a wave and when its state changes, not of every parcel.

Each note is written once, whatever happens meanwhile: its key is the change that it tells of.
"""

from __future__ import annotations

from datetime import datetime

from connector.fulfilment.keys import effect_key
from connector.fulfilment.work import Work, Written
from connector.model.errors import NotKnown
from connector.model.lifecycle import RolloutLineState, RolloutState
from connector.model.refs import EntityKind, IdempotencyKey, SourceRef
from connector.sdk import AddNote
from connector.storage.database.changes import LoggedChange, change_at
from connector.storage.database.engine import reading, transaction
from connector.storage.database.receipts import find_receipt, record_receipt
from connector.storage.rollouts.facts import rollout_product, rollout_ticket
from connector.storage.rollouts.rollouts import RolloutRow, rollout_row

ROLLOUT_NOTE = "rollout-note"
_UNTOLD = frozenset({RolloutState.DRAFT, RolloutState.PLANNED})
"""States that concern nobody outside the hub."""


def note_id(position: int) -> str:
    """The workflow that tells a ticket of the change at a position of the log."""
    return f"{ROLLOUT_NOTE}-{position}"


def note_key(position: int) -> IdempotencyKey:
    """The key of that note, and of its receipt."""
    return f"{note_id(position)}:note"


async def tell_ticket(work: Work, position: int) -> None:
    """Tell the ticket of a rollout what the change at a position of the log means to it, unless it was told."""
    key = note_key(position)
    async with reading(work.database) as tx:
        if await find_receipt(tx, key) is not None:
            return
        change = await change_at(tx, position)
        if change is None:
            raise NotKnown(f"there is no change at position {position}")
        rollout = await rollout_row(tx, change.entity_id)
        ticket = await rollout_ticket(tx, rollout.ticket_id)
        product = await rollout_product(tx, rollout.product_id)
    body = note_of(change, rollout, product.facts.label)
    written: Written = {"skipped": "it concerns nobody outside the hub"}
    if body is not None:
        note = AddNote(
            effect_key(key, change.at),
            SourceRef(kind=EntityKind.TICKET, external_id=ticket.external_id),
            body,
            is_public=work.options.notes_are_public,
        )
        written = await work.write_to_source(ticket.source, note)
    async with transaction(work.database) as tx:
        await record_receipt(tx, key, written, at=work.clock.now())


def note_of(change: LoggedChange, rollout: RolloutRow, product: str) -> str | None:
    """What a change of a rollout means to its ticket; None when it is not told. product: what is rolled out."""
    news = [text for text in (_of_state(change), _of_wave(change)) if text]
    if not news:
        return None
    return "\n".join(
        [f"Rollout {rollout.name} ({product}): {' '.join(news)}", "", _standing(rollout), _when(change.at)]
    )


def _of_state(change: LoggedChange) -> str:
    if "state" not in change.fields or change.operation == "created":
        return ""
    before, after = (RolloutState(value) for value in change.fields["state"])
    reason = (change.fields.get("reason") or (None, None))[1]
    because = f": {reason}" if reason else ""
    match after:
        case RolloutState.RUNNING if before is RolloutState.PLANNED:
            return "it has begun."
        case RolloutState.RUNNING:
            return f"it goes on{because}."
        case RolloutState.PAUSED | RolloutState.HALTED:
            return f"it was {after.value}{because}. Units that had not left their hubs are given back."
        case RolloutState.CANCELLED if before not in _UNTOLD:
            return f"it was cancelled{because}. What is under way still arrives."
        case RolloutState.COMPLETED:
            return f"it is complete{because}."
    return ""


def _of_wave(change: LoggedChange) -> str:
    wave = change.fields.get("wave")
    return "" if wave is None or change.operation == "created" else f"wave {wave[1]} has begun."


def _standing(rollout: RolloutRow) -> str:
    states = rollout.progress["states"]
    parts = [f"{states[state.value]} {state.value}" for state in RolloutLineState if states.get(state.value)]
    return f"Parcels: {', '.join(parts)}."


def _when(at: datetime) -> str:
    return f"As of {at:%Y-%m-%d %H:%M} UTC."
