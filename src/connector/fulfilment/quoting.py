"""Asking the courier beforehand what it would take over the lanes that the next tickets will most likely need.

A decision never asks: it reads what was offered before, as it reads measured roads. What cannot be asked about is told
in the log; decisions go on with what is known.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime

from connector.fulfilment.outcomes import attempt_of
from connector.fulfilment.parcels import lane_offers, lane_parcel
from connector.fulfilment.work import Work
from connector.model.errors import ConnectorError
from connector.rules.policy.document import Policy
from connector.storage.database.engine import reading, transaction
from connector.storage.facts.lane_quotes import record_offers
from connector.storage.facts.wanted_quotes import Lane, WantedQuote, wanted_quotes
from connector.storage.policies.active import PolicySource, policy_now

log = logging.getLogger("connector.fulfilment")


@dataclass(frozen=True, slots=True)
class Asked:
    """What a round did. lanes: with offers; unserved: that the courier offers nothing for, or refuses.

    failed: the error that ended the round, for people; None when nothing is left to ask.
    """

    lanes: int = 0
    unserved: int = 0
    failed: str | None = None


class Quoting:
    """Asks in rounds. What the courier has nothing for is asked about again when an offer would have been."""

    def __init__(self, work: Work, policy: PolicySource) -> None:
        self._work = work
        self._policy = policy
        self._unserved: dict[Lane, datetime] = {}

    async def ask(self) -> Asked:
        """Ask about what is wanted, as far as `FulfilmentOptions.lanes_asked_ahead` goes."""
        work, now = self._work, self._work.clock.now()
        limit = work.options.lanes_asked_ahead
        if not limit or work.options.courier is None:
            return Asked()
        async with reading(work.database) as tx:
            policy = await policy_now(tx, self._policy)
            self._forget(policy, now)
            wanted = await wanted_quotes(tx, policy, at=now, limit=limit, without=self._unserved.keys())
        return await self._ask_about(wanted, now)

    async def _ask_about(self, wanted: Iterable[WantedQuote], now: datetime) -> Asked:
        lanes = unserved = 0
        for one in wanted:
            try:
                offers = await self._work.courier()[1].quote(
                    lane_parcel(one.hub, one.site, weight_g=self._work.options.default_weight_g)
                )
            except ConnectorError as error:
                if attempt_of(error).status != "failed":
                    log.warning("couriers cannot be asked, decisions use what is known: %s", error.message)
                    return Asked(lanes, unserved, error.message)
                log.info("no offer from %s to %s: %s", one.hub.label, one.site.label, error.message)
                offers = ()
            found = lane_offers(offers, now=now, leaves=one.leaves)
            if not found:
                self._unserved[one.lane] = now
                unserved += 1
                continue
            async with transaction(self._work.database) as tx:
                await record_offers(tx, one.hub.id, one.site.id, found)
            lanes += 1
        return Asked(lanes, unserved)

    def _forget(self, policy: Policy, now: datetime) -> None:
        """Let go of what was not served so long ago that it is asked about again."""
        ages = policy.sourcing.courier.quote_days
        self._unserved = {lane: at for lane, at in self._unserved.items() if (now - at).days < ages / 2}
