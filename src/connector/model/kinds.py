"""Closed vocabularies of the domain that are not lifecycles."""

from __future__ import annotations

from enum import StrEnum


class HubTier(StrEnum):
    """How near to the point of failure a hub is; what counts is response time, not the label."""

    CENTRAL = "central"
    REGIONAL = "regional"
    LOCAL = "local"


class Lane(StrEnum):
    """Which purpose stock is kept for. Break-glass is for authorised major incidents only; loaners are lent."""

    NORMAL = "normal"
    BREAK_GLASS = "break_glass"
    LOANER = "loaner"


class Protection(StrEnum):
    """What some of a shelf's free units are kept for; a rule must release them before they are claimed.

    Safety stock covers what varies from week to week, the emergency buffer rare events.
    """

    SAFETY_STOCK = "safety_stock"
    EMERGENCY_BUFFER = "emergency_buffer"


class Tracking(StrEnum):
    """How units are told apart: each by its serial, or not at all (counted bulk items)."""

    SERIALISED = "serialised"
    COUNTED = "counted"


class Priority(StrEnum):
    """Ticket priority, P1 the most urgent."""

    P1 = "P1"
    P2 = "P2"
    P3 = "P3"
    P4 = "P4"
    P5 = "P5"


class TicketType(StrEnum):
    """ITIL record type of a ticket."""

    INCIDENT = "incident"
    REQUEST = "request"
    CHANGE = "change"
    PROBLEM = "problem"
    RMA = "rma"


class LinkKind(StrEnum):
    """How a ticket's source says that it belongs to another one.

    parent: it is part of what the other is about. duplicate_of: it is about the same as the other. related: anything
    else.
    """

    PARENT = "parent"
    DUPLICATE_OF = "duplicate_of"
    RELATED = "related"


class RelationKind(StrEnum):
    """How a device belongs to another one, as a source says it of the first.

    part_of: it is in the other, a blade in its chassis. depends_on: it does not work without the other. connected_to:
    anything between them that carries data or power.
    """

    PART_OF = "part_of"
    DEPENDS_ON = "depends_on"
    CONNECTED_TO = "connected_to"


class GroupKind(StrEnum):
    """What kind of event tickets belong to: at one site, of one product, or simply more than usual in a region."""

    SITE_EVENT = "site_event"
    BATCH_DEFECT = "batch_defect"
    BURST = "burst"


class Trouble(StrEnum):
    """What is wrong with a parcel under way, the worst last.

    silent: no scan for long; returned: on its way back to where it came from.
    """

    NONE = "none"
    LATE = "late"
    SILENT = "silent"
    EXCEPTION = "exception"
    RETURNED = "returned"
    LOST = "lost"


class Criticality(StrEnum):
    """Service-level band that a product is stocked at."""

    TIER_1 = "tier_1"
    TIER_2 = "tier_2"
    TIER_3 = "tier_3"


class ProductStatus(StrEnum):
    """Lifecycle status of a product in the catalogue."""

    ACTIVE = "active"
    END_OF_SALE = "end_of_sale"
    OBSOLETE = "obsolete"


class Direction(StrEnum):
    """Which way a shipment goes. Inbound is what a supplier sends, to a hub or a site."""

    OUTBOUND = "outbound"
    RETURN = "return"
    TRANSFER = "transfer"
    INBOUND = "inbound"


class LaneScope(StrEnum):
    """What deliveries are counted together, the nearest first: hub to site, hub to region, everything."""

    SITE = "site"
    REGION = "region"
    EVERYWHERE = "everywhere"


class TaskKind(StrEnum):
    """What a person is asked to do. `review` is for what the rules cannot decide alone, `approval` for a yes or no.

    `order`: place or cancel an order outside, and record its number. `staging`: pick, prepare and check the units of a
    rollout's wave at one hub; `handover`: give them to the courier. `return`: a unit comes
    back to a hub, that was on loan or has failed.
    `receive`: put on the shelf what came from another hub.
    """

    PICKUP = "pickup"
    REVIEW = "review"
    APPROVAL = "approval"
    ORDER = "order"
    STAGING = "staging"
    HANDOVER = "handover"
    RETURN = "return"
    RECEIVE = "receive"


class LoanReturn(StrEnum):
    """Where a unit goes that comes back from a loan: to the pool, to be lent again, or aside, to be looked at first."""

    POOL = "pool"
    QUARANTINE = "quarantine"


class GoldenReason(StrEnum):
    """Why one of the things that are said of a field holds."""

    OVERRIDE = "override"
    PRECEDENCE = "precedence"
    FRESHNESS = "freshness"
    ONLY = "only"
    LAST_SAID = "last_said"


class ProvenanceBasis(StrEnum):
    """Why a field has the value that it has."""

    STATED = "stated"
    OVERRIDDEN = "overridden"
    CHANGED = "changed"


class Verdict(StrEnum):
    """What somebody answers to a request for approval."""

    APPROVE = "approve"
    REJECT = "reject"


class OfflineAct(StrEnum):
    """What somebody did where the hub could not be reached, and wrote down. Of a claim: picked up at the hub, received.

    Of a task of a rollout: staged, handed over. Of a return: received back. Of a request for approval: yes or no.
    """

    PICKED_UP = "picked_up"
    RECEIVED = "received"
    STAGED = "staged"
    HANDED_OVER = "handed_over"
    RETURNED = "returned"
    APPROVED = "approved"
    REJECTED = "rejected"


class OfflineOutcome(StrEnum):
    """What became of it when it was recorded. later: it counts once the hub has prepared what it is about; send again.

    conflict: it does not fit what the hub knows, and a person is asked.
    """

    DONE = "done"
    BEFORE = "before"
    LATER = "later"
    CONFLICT = "conflict"


class RolloutOutcome(StrEnum):
    """What somebody reports of a parcel of a rollout: that its unit is at work, or that it is not and will not be.

    refused: the site did not want it.
    """

    INSTALLED = "installed"
    FAILED = "failed"
    REFUSED = "refused"


class Success(StrEnum):
    """What counts as success of a line of a rollout: that it was delivered, or that somebody reports it installed."""

    DELIVERED = "delivered"
    INSTALLED = "installed"


class ProcurementKind(StrEnum):
    """Where units come from that no hub has free: the maker ahead of the return, a supplier, or the next stock."""

    VENDOR_REPLACEMENT = "vendor_replacement"
    PURCHASE = "purchase"
    BACKORDER = "backorder"


class ReplenishmentKind(StrEnum):
    """Where units come from that a shelf is filled up with. `none`: from nowhere, as things stand."""

    TRANSFER = "transfer"
    PURCHASE = "purchase"
    MIXED = "mixed"
    NONE = "none"


class LabelFormat(StrEnum):
    """File format of a courier label."""

    PDF = "pdf"
    ZPL = "zpl"


class ActivationKind(StrEnum):
    """How a policy became active: taken in at a start, by somebody's choice, or by going back to the one before."""

    START = "start"
    CHOICE = "choice"
    ROLLBACK = "rollback"


class CalendarKind(StrEnum):
    """Which hours a service class counts in."""

    ALWAYS = "always"
    BUSINESS = "business"


class AliasKind(StrEnum):
    """What a name is of that systems write in several ways: a manufacturer, one of its models, or a place."""

    MANUFACTURER = "manufacturer"
    MODEL = "model"
    SITE = "site"


class AliasOrigin(StrEnum):
    """How an alias came to be: a person said it, one said yes to a suggestion, or it was read from a file."""

    PERSON = "person"
    SUGGESTION = "suggestion"
    IMPORT = "import"


class SuggestionState(StrEnum):
    """What became of a suggestion. A rejected one is never made again."""

    OPEN = "open"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


class PlanState(StrEnum):
    """What became of a plan of a sync. drifted: the source no longer says what it said when the plan was made."""

    PROPOSED = "proposed"
    APPROVED = "approved"
    APPLIED = "applied"
    DRIFTED = "drifted"
    DISCARDED = "discarded"


class SyncMode(StrEnum):
    """What a pull of a stream asks for: changes; everything; what has changed since a day; what a plan says."""

    CHANGES = "changes"
    FULL = "full"
    BACKFILL = "backfill"
    PLAN = "plan"


class RunOutcome(StrEnum):
    """How a pull of a stream ended. stopped: by the guard. broken_off: the hub ended, or somebody paused the source."""

    PULLED = "pulled"
    FAILED = "failed"
    STOPPED = "stopped"
    BROKEN_OFF = "broken_off"


class SourceState(StrEnum):
    """Condition of the connection to an external system."""

    NEW = "new"
    OK = "ok"
    RUNNING = "running"
    BACKING_OFF = "backing_off"
    PAUSED = "paused"
    DISABLED = "disabled"
