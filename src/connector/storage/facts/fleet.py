"""The hubs as the rules see them, remembered between decisions as long as none has changed.

Hubs change seldom and decisions need all of them, so they are read once and kept per engine together with a stamp:
how many changes of hubs the log has, the newest hub and the newest time of an update. The stamp is read in the
transaction that decides, along indexes, however many hubs there are; as long as it is the same, the hubs are. Every
change of a hub is logged in its own transaction, so none can pass unnoticed, not even one that commits late.
"""

from __future__ import annotations

from typing import Any, TypeAlias
from weakref import WeakKeyDictionary

import orjson
from sqlalchemy import Engine, Text, cast, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.refs import EntityKind
from connector.rules.facts.fleet import Fleet, hub_facts
from connector.storage.tables import change, hub

Stamp: TypeAlias = tuple[Any, ...]

_fleets: WeakKeyDictionary[Engine, tuple[Stamp, Fleet]] = WeakKeyDictionary()

_HUBS = (
    select(
        hub.c.id,
        func.coalesce(hub.c.code, hub.c.name),
        hub.c.tier,
        hub.c.latitude,
        hub.c.longitude,
        hub.c.time_zone,
        hub.c.opening_hours,
        cast(hub.c.courier_cut_offs, Text),
        hub.c.handling_minutes,
        hub.c.country,
        hub.c.address["state"].as_string(),
        hub.c.pick_minutes,
        hub.c.qa_minutes,
        hub.c.pack_minutes,
        hub.c.is_mobile,
        hub.c.region,
    )
    .where(hub.c.retired_at.is_(None))
    .order_by(hub.c.id)
)

fleet_stamp = select(
    select(func.count()).select_from(change).where(change.c.kind == EntityKind.HUB).scalar_subquery().label("logged"),
    select(func.max(hub.c.id)).scalar_subquery().label("last"),
    select(func.max(hub.c.updated_at)).scalar_subquery().label("newest"),
).subquery("fleet")
"""One row to join to something that is read anyway; `read_fleet` takes its columns, in this order, as the stamp."""


async def present_fleet(tx: AsyncConnection) -> Fleet:
    """The hubs that are in use, as the transaction sees them."""
    return await read_fleet(tx, tuple((await tx.execute(select(fleet_stamp))).one()))


async def read_fleet(tx: AsyncConnection, stamp: Stamp) -> Fleet:
    """The hubs that are in use, from memory when the stamp is the one they were read with."""
    engine = tx.sync_engine
    known = _fleets.get(engine)
    if known is not None and known[0] == stamp:
        return known[1]
    rows = (await tx.execute(_HUBS)).all()
    fleet = Fleet(
        hub_facts(
            id=row[0],
            label=row[1],
            tier=row[2],
            latitude=row[3],
            longitude=row[4],
            time_zone=row[5],
            opening_hours=row[6],
            cut_offs=tuple(orjson.loads(row[7])) if row[7] else (),
            handling_minutes=row[8],
            country=row[9],
            state=row[10],
            pick_minutes=row[11],
            qa_minutes=row[12],
            pack_minutes=row[13],
            is_mobile=row[14],
            region=row[15],
        )
        for row in rows
    )
    _fleets[engine] = (stamp, fleet)
    return fleet
