"""The persisted schema: columns, constraints, indexes; no methods, no relationships.

The SQLModel classes declare it; statements are written against the tables that stand here under their SQL name,
for example `select(asset.c.id).where(asset.c.serial == serial)`.
"""

from sqlalchemy import Table
from sqlmodel import SQLModel

from connector.storage.tables.aliases import AliasSuggestion, NameAlias
from connector.storage.tables.approvals import Approval, ApprovalVote, Delegation
from connector.storage.tables.audit import AuditSeal
from connector.storage.tables.catalogue import Compatibility, Kit, KitComponent, Product
from connector.storage.tables.channels import RedChannel
from connector.storage.tables.golden import FieldConflict, FieldOverride, PrecedenceRow
from connector.storage.tables.groups import IncidentGroup, IncidentGroupTicket, IncidentSignal
from connector.storage.tables.identities import AssetMac, AssetMerge, AssetRelated, IdentityCandidate, IdentityReview
from connector.storage.tables.inventory import MERGED_INTO as MERGED_INTO
from connector.storage.tables.inventory import Asset, Stock
from connector.storage.tables.keys import ApiKey
from connector.storage.tables.lanes import LaneQuote, LaneRevision, LaneStatistic, TravelTime
from connector.storage.tables.loans import LOAN_LINE as LOAN_LINE
from connector.storage.tables.loans import Loan
from connector.storage.tables.log import Change, Reader, StepReceipt
from connector.storage.tables.outbound import EventDelivery, EventEndpoint
from connector.storage.tables.pickups import Pickup
from connector.storage.tables.places import Hub, ServiceClass, Site
from connector.storage.tables.policies import Policy, PolicyActivation
from connector.storage.tables.processes import HubProcess
from connector.storage.tables.procurement import Procurement
from connector.storage.tables.quality import QualityMeasureRow
from connector.storage.tables.recoveries import Recovery
from connector.storage.tables.replenishments import Replenishment
from connector.storage.tables.rmas import Rma
from connector.storage.tables.rollouts import Rollout, RolloutLine
from connector.storage.tables.sources import (
    Inbox,
    Quarantine,
    Source,
    SourceRefRow,
    SourceStream,
    SyncPlan,
    SyncPlanPage,
    SyncRun,
)
from connector.storage.tables.work import (
    Decision,
    Document,
    Reservation,
    Shipment,
    ShipmentEvent,
    Task,
    Ticket,
    TicketLink,
)


def _table(model: type[SQLModel]) -> Table:
    return SQLModel.metadata.tables[str(model.__tablename__)]


metadata = SQLModel.metadata

alias_suggestion = _table(AliasSuggestion)
api_key = _table(ApiKey)
approval = _table(Approval)
approval_vote = _table(ApprovalVote)
asset = _table(Asset)
asset_mac = _table(AssetMac)
asset_merge = _table(AssetMerge)
asset_relation = _table(AssetRelated)
audit_seal = _table(AuditSeal)
change = _table(Change)
compatibility = _table(Compatibility)
decision = _table(Decision)
delegation = _table(Delegation)
document = _table(Document)
event_delivery = _table(EventDelivery)
event_endpoint = _table(EventEndpoint)
field_conflict = _table(FieldConflict)
field_override = _table(FieldOverride)
hub = _table(Hub)
identity_candidate = _table(IdentityCandidate)
identity_review = _table(IdentityReview)
inbox = _table(Inbox)
incident_group = _table(IncidentGroup)
incident_group_ticket = _table(IncidentGroupTicket)
incident_signal = _table(IncidentSignal)
kit = _table(Kit)
kit_component = _table(KitComponent)
lane_quote = _table(LaneQuote)
lane_revision = _table(LaneRevision)
lane_statistic = _table(LaneStatistic)
loan = _table(Loan)
name_alias = _table(NameAlias)
pickup = _table(Pickup)
policy = _table(Policy)
policy_activation = _table(PolicyActivation)
precedence = _table(PrecedenceRow)
process = _table(HubProcess)
procurement = _table(Procurement)
product = _table(Product)
quarantine = _table(Quarantine)
quality_measure = _table(QualityMeasureRow)
reader = _table(Reader)
recovery = _table(Recovery)
red_channel = _table(RedChannel)
replenishment = _table(Replenishment)
reservation = _table(Reservation)
rma = _table(Rma)
rollout = _table(Rollout)
rollout_line = _table(RolloutLine)
service_class = _table(ServiceClass)
shipment = _table(Shipment)
shipment_event = _table(ShipmentEvent)
site = _table(Site)
source = _table(Source)
source_ref = _table(SourceRefRow)
source_stream = _table(SourceStream)
sync_run = _table(SyncRun)
step_receipt = _table(StepReceipt)
stock = _table(Stock)
sync_plan = _table(SyncPlan)
sync_plan_page = _table(SyncPlanPage)
task = _table(Task)
ticket = _table(Ticket)
travel_time = _table(TravelTime)
ticket_link = _table(TicketLink)
