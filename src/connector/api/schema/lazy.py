"""Names of object types for those that are defined before them: the domain is full of circles."""

from typing import TYPE_CHECKING, Annotated, TypeAlias

import strawberry

if TYPE_CHECKING:
    from connector.api.schema.approvals import Approval
    from connector.api.schema.catalogue import Compatibility, Kit, Product
    from connector.api.schema.channels import RedChannel
    from connector.api.schema.golden import FieldConflict, FieldOverride
    from connector.api.schema.groups import IncidentGroupTicket
    from connector.api.schema.inventory import Asset, Stock
    from connector.api.schema.loans import Loan
    from connector.api.schema.pickups import Pickup
    from connector.api.schema.places import Hub, ServiceClass, Site
    from connector.api.schema.policies import Policy
    from connector.api.schema.procurement import Procurement
    from connector.api.schema.recoveries import Recovery
    from connector.api.schema.replenishments import Replenishment
    from connector.api.schema.rmas import Rma
    from connector.api.schema.rollouts import Rollout, RolloutLine
    from connector.api.schema.shipping import Shipment
    from connector.api.schema.sources import QuarantinedRecord, Source
    from connector.api.schema.syncing import SyncPlan, SyncRun
    from connector.api.schema.work import Decision, Reservation, Task, Ticket

_approvals = strawberry.lazy("connector.api.schema.approvals")
_channels = strawberry.lazy("connector.api.schema.channels")
_catalogue = strawberry.lazy("connector.api.schema.catalogue")
_golden = strawberry.lazy("connector.api.schema.golden")
_groups = strawberry.lazy("connector.api.schema.groups")
_inventory = strawberry.lazy("connector.api.schema.inventory")
_loans = strawberry.lazy("connector.api.schema.loans")
_pickups = strawberry.lazy("connector.api.schema.pickups")
_places = strawberry.lazy("connector.api.schema.places")
_policies = strawberry.lazy("connector.api.schema.policies")
_procurement = strawberry.lazy("connector.api.schema.procurement")
_rmas = strawberry.lazy("connector.api.schema.rmas")
_rollouts = strawberry.lazy("connector.api.schema.rollouts")
_recoveries = strawberry.lazy("connector.api.schema.recoveries")
_replenishments = strawberry.lazy("connector.api.schema.replenishments")
_shipping = strawberry.lazy("connector.api.schema.shipping")
_sources = strawberry.lazy("connector.api.schema.sources")
_syncing = strawberry.lazy("connector.api.schema.syncing")
_work = strawberry.lazy("connector.api.schema.work")

AnyApproval: TypeAlias = Annotated["Approval", _approvals]
AnyAsset: TypeAlias = Annotated["Asset", _inventory]
AnyCompatibility: TypeAlias = Annotated["Compatibility", _catalogue]
AnyDecision: TypeAlias = Annotated["Decision", _work]
AnyFieldConflict: TypeAlias = Annotated["FieldConflict", _golden]
AnyFieldOverride: TypeAlias = Annotated["FieldOverride", _golden]
AnyHub: TypeAlias = Annotated["Hub", _places]
AnyIncidentGroupTicket: TypeAlias = Annotated["IncidentGroupTicket", _groups]
AnyKit: TypeAlias = Annotated["Kit", _catalogue]
AnyLoan: TypeAlias = Annotated["Loan", _loans]
AnyPickup: TypeAlias = Annotated["Pickup", _pickups]
AnyPolicy: TypeAlias = Annotated["Policy", _policies]
AnyProcurement: TypeAlias = Annotated["Procurement", _procurement]
AnyProduct: TypeAlias = Annotated["Product", _catalogue]
AnyQuarantinedRecord: TypeAlias = Annotated["QuarantinedRecord", _sources]
AnyRecovery: TypeAlias = Annotated["Recovery", _recoveries]
AnyRedChannel: TypeAlias = Annotated["RedChannel", _channels]
AnyReplenishment: TypeAlias = Annotated["Replenishment", _replenishments]
AnyReservation: TypeAlias = Annotated["Reservation", _work]
AnyRma: TypeAlias = Annotated["Rma", _rmas]
AnyRollout: TypeAlias = Annotated["Rollout", _rollouts]
AnyRolloutLine: TypeAlias = Annotated["RolloutLine", _rollouts]
AnyServiceClass: TypeAlias = Annotated["ServiceClass", _places]
AnyShipment: TypeAlias = Annotated["Shipment", _shipping]
AnySite: TypeAlias = Annotated["Site", _places]
AnySource: TypeAlias = Annotated["Source", _sources]
AnyStock: TypeAlias = Annotated["Stock", _inventory]
AnySyncPlan: TypeAlias = Annotated["SyncPlan", _syncing]
AnySyncRun: TypeAlias = Annotated["SyncRun", _syncing]
AnyTask: TypeAlias = Annotated["Task", _work]
AnyTicket: TypeAlias = Annotated["Ticket", _work]
