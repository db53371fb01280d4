"""Commands that may be repeated: the first time does the work, every further time is answered with its result."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Any, TypeAlias

from connector.fulfilment.work import Work
from connector.model.errors import InvalidInput
from connector.sdk import Clock
from connector.storage.database.engine import Database, Transaction, in_transaction, reading
from connector.storage.database.receipts import find_receipt, record_receipt, settle_receipt

Do: TypeAlias = Callable[[Transaction, datetime], Awaitable[dict[str, Any]]]
"""The work of a command, in its transaction; its result as JSON."""
Keep: TypeAlias = Callable[[Transaction, dict[str, Any]], Awaitable[None]]
"""Keeps a result for whoever asks again."""


async def once(work: Work, name: str, key: str, target: int, do: Do) -> dict[str, Any]:
    """Do it once per key; the result of the first time is the answer to all.

    target: the id that the command is about. Raises InvalidInput when the key was used for another one.
    """
    return await once_in(work.database, work.clock.now(), name, key, target, do)


async def once_in(database: Database, at: datetime, name: str, key: str, target: int, do: Do) -> dict[str, Any]:
    """The same for commands that need nothing but a database. at: now."""
    full = command_key(name, key)
    async with reading(database) as tx:
        known = await find_receipt(tx, full)
    if known is not None:
        return _answer(known, name, key, target)

    async def work(tx: Transaction) -> dict[str, Any]:
        if not await record_receipt(tx, full, {"target": target}, at=at):
            return _answer(await find_receipt(tx, full) or {}, name, key, target)
        result = await do(tx, at)
        await settle_receipt(tx, full, {"target": target, "result": result})
        return result

    return await in_transaction(database, work)


async def answered_once(
    database: Database, clock: Clock, name: str, key: str, target: int, do: Callable[[Keep], Awaitable[dict[str, Any]]]
) -> dict[str, Any]:
    """Answer a key alike each time: for work that is more than a transaction, each part of which is done once.

    do: keeps its result in its last transaction, so that whoever asks again before that has the rest done, and is
    answered as if nothing had broken it off. A result that it does not keep is for this time alone.
    Of two that do it at the same time, the first to end answers for both. Raises InvalidInput as `once`.
    """
    full = command_key(name, key)
    async with reading(database) as tx:
        known = await find_receipt(tx, full)
    if known is not None:
        return _answer(known, name, key, target)

    async def keep(tx: Transaction, result: dict[str, Any]) -> None:
        await record_receipt(tx, full, {"target": target, "result": result}, at=clock.now())

    result = await do(keep)
    async with reading(database) as tx:
        known = await find_receipt(tx, full)
    return result if known is None else _answer(known, name, key, target)


def command_key(name: str, key: str) -> str:
    """Under which a command has its receipt. Raises InvalidInput for an empty key."""
    if not key.strip():
        raise InvalidInput(f"command {name!r} needs an idempotency key", hint="Send a new random text with each.")
    return f"command:{name}:{key}"


def _answer(receipt: dict[str, Any], name: str, key: str, target: int) -> dict[str, Any]:
    if receipt.get("target") != target:
        raise InvalidInput(
            f"key {key!r} was used before, for {name!r} of {receipt.get('target')}, not of {target}",
            hint="Send a new random key with each new command.",
        )
    result: dict[str, Any] = receipt["result"]
    return result
