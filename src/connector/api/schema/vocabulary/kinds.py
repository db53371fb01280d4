"""What the values of vocabularies mean that are not states."""

from collections.abc import Mapping
from enum import StrEnum

from connector.model.kinds import (
    ActivationKind,
    CalendarKind,
    Criticality,
    Direction,
    GroupKind,
    HubTier,
    LabelFormat,
    Lane,
    LinkKind,
    LoanReturn,
    Priority,
    ProcurementKind,
    ProductStatus,
    ReplenishmentKind,
    RolloutOutcome,
    Success,
    TaskKind,
    TicketType,
    Tracking,
    Trouble,
    Verdict,
)
from connector.model.refs import EntityKind
from connector.rules.placement.belonging import Place
from connector.rules.placement.verdict import PlacementVerdict
from connector.rules.policy.values import Mode

KINDS: Mapping[type[StrEnum], Mapping[str, str]] = {
    ActivationKind: {
        "START": "The hub took it in when it started.",
        "CHOICE": "Somebody activated it.",
        "ROLLBACK": "Somebody went back to it from the one that followed it.",
    },
    CalendarKind: {
        "ALWAYS": "Every hour of every day.",
        "BUSINESS": "Its business hours, without its holidays and closed days.",
    },
    Criticality: {
        "TIER_1": "Stock is to cover 95 to 99 percent of the short-term variance of demand.",
        "TIER_2": "Stock is to cover 80 to 90 percent of the short-term variance of demand; vendors expedite the rest.",
        "TIER_3": "Stock stays in central hubs.",
    },
    Direction: {
        "OUTBOUND": "From a hub to a site.",
        "RETURN": "Back to a hub.",
        "TRANSFER": "From one hub to another.",
        "INBOUND": "From a supplier to a hub or a site.",
    },
    EntityKind: {
        "SITE": "A place where hardware is used.",
        "HUB": "A place where spares are held.",
        "PRODUCT": "A stockable model of hardware.",
        "COMPATIBILITY": "That one product can stand in for another.",
        "KIT": "A bill of materials that ships as one.",
        "ASSET": "One serialised device.",
        "STOCK": "Units of one product in one hub and lane.",
        "TICKET": "A ticket of an ITSM system.",
        "POLICY": "A version of the policy.",
        "DECISION": "What the rules decided for a ticket.",
        "RESERVATION": "A claim of stock for one line of a ticket.",
        "SHIPMENT": "A parcel.",
        "PROCUREMENT": "Units that are got from outside, or a place in the queue for stock.",
        "LOAN": "A unit that is lent to a ticket until its replacement is there.",
        "REPLENISHMENT": "Units that fill up a shelf which is low.",
        "RMA": "The return of a unit that has failed.",
        "TASK": "A piece of work for a person.",
        "APPROVAL": "Something that waits for a yes.",
        "DELEGATION": "That a person lets another answer requests for approval in their place.",
        "RED_CHANNEL": "A preapproved kind of event whose tickets skip the queue.",
        "ROLLOUT": "Many units of one product for many sites, sent in waves.",
        "ROLLOUT_LINE": "One parcel of a rollout.",
        "RECOVERY": "A parcel in trouble, and what was done about it.",
        "INCIDENT_GROUP": "Tickets that are, or may be, about one cause.",
        "SERVICE_CLASS": "How long an outage may last, and in which hours that counts.",
        "SOURCE": "A configured external system.",
        "QUARANTINE": "A record that could not be normalised.",
        "API_KEY": "A key by which the hub knows who calls it.",
    },
    GroupKind: {
        "SITE_EVENT": "Many devices of one site fail close together.",
        "BATCH_DEFECT": "Many devices of one product fail, at several sites.",
        "BURST": "Far more devices of one region fail than usual.",
    },
    HubTier: {
        "CENTRAL": "Deep stock and slow movers, for every region.",
        "REGIONAL": "Fast movers and critical spares of one region, ready to be swapped in.",
        "LOCAL": "Next to where it is needed: a cabinet, a locker, a rack-side kit, an engineer's car.",
    },
    LabelFormat: {
        "PDF": "A PDF document, for any printer.",
        "ZPL": "Zebra Programming Language, for label printers.",
    },
    Lane: {
        "NORMAL": "For whatever needs hardware in the ordinary course.",
        "BREAK_GLASS": "For authorised major incidents only.",
        "LOANER": "To be lent until the replacement is there, and never given for good.",
    },
    LinkKind: {
        "PARENT": "It is part of what the other one is about.",
        "DUPLICATE_OF": "It is about the same as the other one.",
        "RELATED": "It has to do with the other one in any other way.",
    },
    LoanReturn: {
        "POOL": "To the pool, to be lent again.",
        "QUARANTINE": "Aside, to be looked at first.",
    },
    Mode: {
        "DRIVE": "Our own people bring it by car.",
        "COURIER": "A courier carries it.",
        "TECHNICIAN": "A technician collects it at the hub.",
    },
    Place: {
        "LOCAL": "A local hub.",
        "REGIONAL": "A regional hub.",
        "CENTRAL": "A central hub.",
        "VENDOR": "The maker, who sends a replacement ahead of the return.",
    },
    PlacementVerdict: {
        "IN_PLACE": "They stand where they belong.",
        "TOO_NEAR": "Some stand nearer than they belong.",
        "TOO_FAR": "They belong near, and none stands so near.",
        "NOT_STOCKED": "There are none, and none needs to be near.",
    },
    Priority: {
        "P1": "Critical: the most urgent.",
        "P2": "High.",
        "P3": "Medium.",
        "P4": "Low.",
        "P5": "Planning: the least urgent.",
    },
    ProcurementKind: {
        "VENDOR_REPLACEMENT": "The maker sends a unit ahead of the return.",
        "PURCHASE": "A supplier sends a new one.",
        "BACKORDER": "A place in the queue for the next stock.",
    },
    ProductStatus: {
        "ACTIVE": "It is on sale, and may be bought to fill up shelves.",
        "END_OF_SALE": "Its maker sells it no more; none is bought to fill up shelves.",
        "OBSOLETE": "It is phased out; none is bought to fill up shelves.",
    },
    ReplenishmentKind: {
        "TRANSFER": "From other hubs.",
        "PURCHASE": "From a supplier.",
        "MIXED": "Some from other hubs, the rest from a supplier.",
        "NONE": "From nowhere, as things stand.",
    },
    RolloutOutcome: {
        "INSTALLED": "Its unit is at work.",
        "FAILED": "Its unit is not at work, and will not be.",
        "REFUSED": "The site did not want it, which counts as a failure.",
    },
    Success: {
        "DELIVERED": "It was delivered, or is installed.",
        "INSTALLED": "Somebody reports that it is installed.",
    },
    TaskKind: {
        "PICKUP": "Pick what a claim holds, and hand it to whoever carries it.",
        "REVIEW": "Look at what the rules cannot decide alone.",
        "APPROVAL": "Answer a request for approval with yes or no.",
        "ORDER": "Place or cancel an order outside, and record its number.",
        "STAGING": "Pick, prepare and check the units of a rollout's wave at one hub.",
        "HANDOVER": "Give the staged units of a rollout's wave at one hub to the courier.",
        "RETURN": "See to it that a unit comes back to a hub, that was on loan or has failed.",
        "RECEIVE": "Put on the shelf what came from another hub.",
    },
    TicketType: {
        "INCIDENT": "A service is interrupted, or worse than agreed, and nobody planned it.",
        "REQUEST": "Somebody asks for something that is provided as a matter of course.",
        "CHANGE": "Something that affects services is to be added, modified or removed.",
        "PROBLEM": "A cause, or potential cause, of incidents.",
        "RMA": "A failed unit is to be returned.",
    },
    Tracking: {
        "SERIALISED": "Each unit has its serial.",
        "COUNTED": "Units are only counted.",
    },
    Trouble: {
        "NONE": "Nothing is wrong.",
        "LATE": "It has travelled longer than usual for its lane, or is now expected after it is due.",
        "SILENT": "It has not been scanned for long.",
        "EXCEPTION": "The courier reports an exception.",
        "RETURNED": "It is on its way back to where it came from.",
        "LOST": "The courier has lost it.",
    },
    Verdict: {
        "APPROVE": "Yes: it may go on.",
        "REJECT": "No: it may not go on.",
    },
}
