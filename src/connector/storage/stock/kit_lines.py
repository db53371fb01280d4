"""The reservations of a kit's components: so many units of each go with each device, on lines of their own.

They share the fate of the device's reservation (see `connector.storage.stock.reservations.kit_lines`), so they have no
expiry, no approval and no fulfilment of their own.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from connector.model.kinds import Lane
from connector.storage.stock.reservations import Claim, Drawn, Reservation
from connector.storage.stock.units import Taken


class Devices(NamedTuple):
    """Devices that one reservation holds, each of which gets a kit."""

    hub_id: int
    quantity: int


@dataclass(frozen=True, slots=True)
class Pool:
    """Units of a component that were taken at a hub for the devices there. asset_ids: none for counted products.

    replaces_id: the reservation that ended for them, if one did.
    """

    hub_id: int
    product_id: int
    lane: Lane
    quantity: int
    asset_ids: tuple[int, ...] = ()
    replaces_id: int | None = None


class Piece(NamedTuple):
    """Units of a pool that go with the devices of one reservation, by its place."""

    place: int
    pool: Pool
    quantity: int
    asset_ids: tuple[int, ...]

    @property
    def lines(self) -> int:
        """How many lines they take."""
        return len(self.asset_ids) or 1


def spread(devices: Sequence[Devices], pools: Iterable[Pool]) -> list[Piece]:
    """Share out components over the devices of their hub, to each device as many: nothing is left over."""
    of_product: defaultdict[tuple[int, int], list[Pool]] = defaultdict(list)
    for pool in pools:
        of_product[pool.hub_id, pool.product_id].append(pool)
    pieces = []
    for (hub_id, _), group in of_product.items():
        there = [(place, item.quantity) for place, item in enumerate(devices) if item.hub_id == hub_id]
        each, rest = divmod(sum(pool.quantity for pool in group), sum(quantity for _, quantity in there))
        if rest:
            raise AssertionError(f"{rest} units of a component at hub {hub_id} belong to no whole kit")
        units = _Dealt(group)
        for place, quantity in there:
            pieces += [Piece(place, *dealt) for dealt in units.deal(each * quantity)]
    return sorted(pieces, key=lambda piece: piece.place)


class _Dealt:
    """Units of pools, dealt out from the first pool on."""

    def __init__(self, pools: Sequence[Pool]) -> None:
        self._pools = list(pools)
        self._given = 0

    def deal(self, quantity: int) -> Iterator[tuple[Pool, int, tuple[int, ...]]]:
        while quantity:
            pool = self._pools[0]
            units = min(quantity, pool.quantity - self._given)
            yield pool, units, pool.asset_ids[self._given : self._given + units]
            quantity -= units
            self._given += units
            if self._given == pool.quantity:
                self._given = 0
                self._pools.pop(0)


def claims_of_parts(leaders: Sequence[Reservation], pools: Iterable[Pool], *, line: int) -> list[Drawn]:
    """The claims of components that go with devices which are reserved, on lines from `line` on."""
    claims = []
    for piece in spread([Devices(item.hub_id, item.quantity) for item in leaders], pools):
        leader, pool = leaders[piece.place], piece.pool
        claim = Claim(
            ticket_id=leader.ticket_id,
            hub_id=leader.hub_id,
            product_id=pool.product_id,
            requested_product_id=pool.product_id,
            lane=pool.lane,
            quantity=piece.quantity,
            line=line,
            estimated_arrival_at=leader.estimated_arrival_at,
            site_id=leader.site_id,
            replaces_id=pool.replaces_id,
            kit_id=leader.kit_id,
            ships_with_id=leader.id,
        )
        claims.append(Drawn(claim, Taken(piece.asset_ids, ()), leader.decision_id))
        line += piece.lines
    return claims


def pool_of(part: Reservation) -> Pool:
    """The units of a component's reservation, which ends for the new ones that are made of them."""
    assets = () if part.asset_id is None else (part.asset_id,)
    return Pool(part.hub_id, part.product_id, part.lane, part.quantity, assets, part.id)
