"""What a sourcing decision knows: the ticket and what hangs on it, and the shelves that could serve it.

Built by `connector.storage.facts.facts`, or by hand in a test. Values are as the database holds them; what cannot be
used (hours that nobody can read, a time zone that does not exist) is kept as a `problem`, never raised.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import field

from connector.model.frozen import frozen
from connector.rules.arrival.lanes import NO_LANES, SiteLanes
from connector.rules.facts.fleet import Fleet
from connector.rules.facts.kits import KitFacts
from connector.rules.facts.shelves import Contested, Holding, Revisions, SubstituteFacts
from connector.rules.facts.standing import (
    NO_LINKS,
    ChannelFacts,
    GroupFacts,
    Links,
    LoanFacts,
    ProcurementFacts,
    Recovery,
    Relief,
)
from connector.rules.facts.ticket import AssetFacts, ProductFacts, ServiceClassFacts, SiteFacts, TicketFacts


@frozen
class SourcingFacts:
    """Everything that one decision looks at. holdings: free units of the product and of its substitutes.

    relief: for another ticket about the same device; None when nothing is. refusals: approvals that were refused for
    the ticket, and what is to follow: `next` or `person`. contested: what other tickets hold of these products; None
    when it was not read, which is for rules that may take it. lanes: what is known of the ways there. channels: red
    channels that nobody has closed, by id. procurements: what was ordered for it. revisions: how many free units of the
    product are of which revision, by shelf; None when it was not read, which is for rules that ask for it. kit: the
    swap kit of the product; None when it has none. loan: what was lent to it. quantity: units that
    are still wanted; had: those that the ticket has already.

    service_class_name is what the site names; service_class what the database knows of it.
    """

    ticket: TicketFacts
    asset: AssetFacts | None = None
    product: ProductFacts | None = None
    site: SiteFacts | None = None
    service_class: ServiceClassFacts | None = None
    substitutes: tuple[SubstituteFacts, ...] = ()
    holdings: tuple[Holding, ...] = ()
    fleet: Fleet = field(default_factory=lambda: Fleet(()))
    quantity: int = 1
    relief: Relief | None = None
    links: Links = NO_LINKS
    refusals: Mapping[str, str] = field(default_factory=dict)
    channels: tuple[ChannelFacts, ...] = ()
    contested: tuple[Contested, ...] | None = None
    recovery: Recovery | None = None
    lanes: SiteLanes = NO_LANES
    group: GroupFacts | None = None
    procurements: tuple[ProcurementFacts, ...] = ()
    revisions: Revisions | None = None
    kit: KitFacts | None = None
    loan: LoanFacts | None = None
    had: int = 0
