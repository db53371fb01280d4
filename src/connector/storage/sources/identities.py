"""What the hub knows of the devices that records may be about: all that the match rules look at, in one statement."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from operator import attrgetter
from typing import Any, Final

from sqlalchemy import Text, bindparam, cast, false, literal_column, null, select, union_all
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine
from sqlalchemy.sql.selectable import CompoundSelect

from connector.model.lifecycle import ReviewState
from connector.model.naming import host_key
from connector.model.refs import EntityKind
from connector.rules.identity.facts import DeviceFacts, Fact, KnownDevice
from connector.rules.identity.match_rules import DEFAULT_RULES, MatchRule
from connector.storage.database.bulk import among_given
from connector.storage.tables import asset, asset_mac, identity_review, product, source_ref
from connector.storage.tables.columns import Id
from connector.storage.tables.inventory import HOST

RULES_OPTION: Final = "connector_match_rules"
"""Under which an engine carries the match rules that are configured."""


def use_match_rules(engine: AsyncEngine, rules: Sequence[MatchRule]) -> None:
    """Have all that is taken into this database matched by these rules."""
    engine.update_execution_options(**{RULES_OPTION: tuple(rules)})


def match_rules_of(tx: AsyncConnection) -> tuple[MatchRule, ...]:
    """The rules by which records are matched in this database; the usual ones where nothing is configured."""
    rules: tuple[MatchRule, ...] = tx.engine.get_execution_options().get(RULES_OPTION, DEFAULT_RULES)
    return rules


@dataclass(frozen=True, slots=True)
class Known:
    """What is known. devices: each that has a value of one of the records, with those of its addresses.

    makers: product -> folded name of its manufacturer. separate: the records of which a person has said that they are
    about devices of their own, which are not there yet.
    """

    devices: Sequence[KnownDevice] = ()
    makers: Mapping[int, str] = field(default_factory=dict)
    separate: frozenset[str] = frozenset()


async def look_up(
    tx: AsyncConnection, source_id: int, records: Mapping[str, DeviceFacts], rules: Sequence[MatchRule]
) -> Known:
    """The devices that these rules may find for records of a source, in one statement whatever their number.

    records: by what their source calls them; their manufacturers are the catalogue's to tell.
    Which of the devices a record is about is not decided here. A host name is looked for at the records' sites alone.
    """
    if not records:
        return Known()
    facts = records.values()
    wanted = {fact for rule in rules for fact in rule.equal}
    given = {
        "serials": _values(facts, Fact.SERIAL, wanted),
        "tags": _values(facts, Fact.ASSET_TAG, wanted),
        "macs": _values(facts, Fact.MAC, wanted),
        "hosts": _values([item for item in facts if item.site is not None], Fact.HOSTNAME, wanted),
        "sites": _values([item for item in facts if item.hostname is not None], Fact.SITE, wanted),
        "products": _values(facts, Fact.PRODUCT, {Fact.PRODUCT}),
        "records": sorted(records),
        "source": source_id,
    }
    return _known((await tx.execute(_looked_up(), given)).all())


def _values(facts: Iterable[DeviceFacts], fact: Fact, wanted: Collection[Fact]) -> list[Any]:
    if fact not in wanted:
        return []
    if fact is Fact.MAC:
        return sorted({mac for item in facts for mac in item.macs})
    return sorted(set(map(attrgetter(fact.value), facts)) - {None})


@lru_cache(maxsize=1)
def _looked_up() -> CompoundSelect[Any]:
    """One row for each device and source that knows it, each product, each record that is a device of its own."""
    none = cast(null(), Text)
    host: Any = literal_column(HOST, Text)
    is_itself = asset.c.merged_into_id.is_(None)
    arms = (
        select(asset.c.id, none.label("mac")).where(among_given(asset.c.serial, "serials"), is_itself),
        select(asset.c.id, none).where(among_given(asset.c.asset_tag, "tags"), is_itself),
        select(asset_mac.c.asset_id, asset_mac.c.mac).where(among_given(asset_mac.c.mac, "macs")),
        select(asset.c.id, none).where(among_given(host, "hosts"), among_given(asset.c.site_id, "sites"), is_itself),
    )
    found = union_all(*arms).cte("found")
    number, no = cast(null(), Id), false()
    devices = (
        select(
            found.c.id,
            asset.c.name,
            asset.c.serial,
            asset.c.asset_tag,
            found.c.mac,
            asset.c.site_id,
            asset.c.product_id,
            product.c.manufacturer_key,
            asset.c.retired_at.is_not(None).label("is_retired"),
            source_ref.c.source_id,
        )
        .join_from(found, asset, asset.c.id == found.c.id)
        .outerjoin(product, product.c.id == asset.c.product_id)
        .outerjoin(
            source_ref,
            (source_ref.c.kind == EntityKind.ASSET)
            & (source_ref.c.entity_id == asset.c.id)
            & source_ref.c.deleted_at.is_(None),
        )
    )
    makers = select(number, none, none, none, none, number, product.c.id, product.c.manufacturer_key, no, number).where(
        among_given(product.c.id, "products")
    )
    review = identity_review.c
    separate = select(number, review.external_id, none, none, none, number, number, none, no, number).where(
        review.source_id == bindparam("source", type_=Id),
        among_given(review.external_id, "records"),
        review.state == ReviewState.SEPARATE,
        review.asset_id.is_(None),
    )
    return union_all(devices, makers, separate)


def _known(rows: Sequence[Any]) -> Known:
    devices: dict[int, Any] = {}
    macs: dict[int, set[str]] = defaultdict(set)
    sources: dict[int, set[int]] = defaultdict(set)
    makers: dict[int, str] = {}
    separate: set[str] = set()
    for row in rows:
        asset_id, name, _, _, mac, _, product_id, maker, _, source = row
        if asset_id is not None:
            devices[asset_id] = row
            macs[asset_id] |= {mac} - {None}
            sources[asset_id] |= {source} - {None}
        elif product_id is not None:
            makers[product_id] = maker
        else:
            separate.add(name)
    known = [_device(row, frozenset(macs[i]), frozenset(sources[i])) for i, row in sorted(devices.items())]
    return Known(known, makers, frozenset(separate))


def _device(row: Any, macs: frozenset[str], sources: frozenset[int]) -> KnownDevice:
    asset_id, name, serial, tag, _, site, product_id, maker, is_retired, _ = row
    facts = DeviceFacts(serial, maker, tag, macs, host_key(name), site, product_id)
    return KnownDevice(asset_id, facts, name, bool(is_retired), sources)
