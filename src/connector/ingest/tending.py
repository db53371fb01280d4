"""What time and the configuration do to golden values: another precedence, sources that are not heard of.

Whoever changes the configured precedence finds it in what is there already, not only in what comes next. That is done
in pages, each in a transaction of its own, and goes on where it was broken off.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final

from connector.ingest.overriding import release_ended
from connector.ingest.work import Work
from connector.model.refs import EntityKind
from connector.rules.golden.choosing import Precedence
from connector.rules.golden.fields import FIELDS
from connector.rules.golden.origin import WORKED_OUT
from connector.sdk.adapter import Clock
from connector.storage.database.drafts import load_drafts
from connector.storage.database.engine import Database, Transaction, in_transaction, reading
from connector.storage.golden.overrides import any_ended
from connector.storage.golden.precedence import adopt, contested_after, holding, lapsed_sources, settled
from connector.storage.sources.refs import lock_ingest
from connector.storage.stock.book import recount_shelves

PAGE: Final = 500
"""References that are looked at in a transaction."""
ACTOR: Final = WORKED_OUT
"""Who changes things because of the precedence, in the change log."""


async def tend_golden_record(
    database: Database, clock: Clock, orders: Mapping[str, Sequence[str]], fresh_days: Mapping[str, int]
) -> int:
    """Release overrides whose time is over, and let the configured precedence hold, without sources that have lapsed.

    Returns how many things were worked out anew. orders, fresh_days: as configured. Where nothing is another it only
    reads. Of several that do it at the same time each does a part.
    """

    async def release(tx: Transaction) -> int:
        return await release_ended(tx, at=clock.now(), limit=PAGE)

    async with reading(database) as tx:
        has_ended = await any_ended(tx, clock.now())
    released = await in_transaction(database, release) if has_ended else 0
    done = released + await _go_on(database, clock)
    async with reading(database) as tx:
        now = (await holding(tx)).now
        wanted = _wanted(orders, await lapsed_sources(tx, fresh_days, at=clock.now()))
    if wanted == now:
        return done

    async def change(tx: Transaction) -> None:
        held = await holding(tx, lock=True)
        if held.previous is None and held.now != wanted:
            await adopt(tx, held.now, wanted, at=clock.now())

    await in_transaction(database, change)
    return done + await _go_on(database, clock)


async def _go_on(database: Database, clock: Clock) -> int:
    """Work out anew whatever is left to be; how many things that were."""
    done = 0

    async def page(tx: Transaction) -> int | None:
        await lock_ingest(tx)
        held = await holding(tx, lock=True)
        if held.previous is None:
            return None
        things, last = await contested_after(tx, FIELDS.keys(), held.settled_to, limit=PAGE)
        by_kind: dict[EntityKind, set[int]] = defaultdict(set)
        for kind, row_id in things:
            by_kind[kind].add(row_id)
        work = Work(tx=tx, source_id=0, actor=ACTOR, cause="another precedence of sources", at=clock.now())
        for kind, ids in by_kind.items():
            drafts = await load_drafts(tx, kind, ids)
            await work.golden.reconsider(drafts, kind, held.previous)
            await work.write(kind, drafts.values())
        await recount_shelves(tx, work.shelves, actor=ACTOR, cause=work.cause, at=work.at)
        await work.golden.note()
        await settled(tx, last, at=work.at)
        return len(things)

    async with reading(database) as tx:
        if (await holding(tx)).previous is None:
            return 0
    while (count := await in_transaction(database, page)) is not None:
        done += count
    return done


def _wanted(orders: Mapping[str, Sequence[str]], lapsed: frozenset[str]) -> Precedence:
    return Precedence({name: list(order) for name, order in sorted(orders.items())}, lapsed)
