"""Root fields that change something."""

import strawberry
from strawberry.types import get_object_definition

from connector.api.schema import data_quality, dispatching, golden, identities, merges, operating, rolling_out, syncing
from connector.api.schema.aliases import (
    AliasPayload,
    RejectSuggestionPayload,
    RemoveAliasPayload,
    SuggestAliasesPayload,
    accept_suggestion,
    add,
    reject_suggestion,
    remove,
    suggest,
)
from connector.api.schema.approvals import (
    AnswerPayload,
    DelegationPayload,
    approve,
    delegate,
    end_delegation,
    reject,
)
from connector.api.schema.channels import RedChannelPayload, close_channel, extend_channel, open_channel
from connector.api.schema.claims import ClaimPayload, extend, move, split
from connector.api.schema.data_quality import MeasureDataQualityPayload
from connector.api.schema.golden import OverrideFieldPayload, ReleaseOverridePayload
from connector.api.schema.groups import IncidentGroupPayload
from connector.api.schema.groups import close as close_group
from connector.api.schema.groups import confirm as confirm_group
from connector.api.schema.groups import dismiss as dismiss_group
from connector.api.schema.identities import IdentityReviewPayload
from connector.api.schema.loans import LoanPayload, extend_loan, receive_loan
from connector.api.schema.merges import MergeAssetsPayload, SplitAssetPayload, UndoMergePayload
from connector.api.schema.offline import RecordOfflinePayload, record_offline
from connector.api.schema.payloads import (
    CancelPayload,
    ConfirmPickupPayload,
    PolicyPayload,
    ProcurementPayload,
    QuarantinePayload,
    ReceivePayload,
    ReleasePayload,
    ReservePayload,
    SyncSourcePayload,
)
from connector.api.schema.pickups import PickupPayload, cancel_pickup, order_pickup
from connector.api.schema.replenishments import (
    ApproveReplenishmentsPayload,
    ReplenishmentPayload,
    approve_replenishments,
    cancel_replenishment,
    reject_replenishment,
)
from connector.api.schema.rights import NeedsRights
from connector.api.schema.rmas import RmaPayload, cancel_rma, extend_rma, receive_return, send_return
from connector.api.schema.rolling_out import (
    PlanRolloutPayload,
    RolloutLinePayload,
    RolloutPayload,
    WaveTaskPayload,
)
from connector.api.schema.syncing import SourcePayload, SyncPlanPayload
from connector.api.schema.taking import TaskPayload, accept_task, hand_back_task


@strawberry.type(description="What can be done.")
class Mutation:
    """Each does one thing, once per idempotency key."""

    reserve: ReservePayload = strawberry.mutation(
        resolver=dispatching.reserve,
        description="Claim a unit for a ticket; label, task and note follow by themselves.",
    )
    release: ReleasePayload = strawberry.mutation(
        resolver=dispatching.release,
        description="Give a claim up: its unit is free again, and what was done for it is undone.",
    )
    extend: ClaimPayload = strawberry.mutation(
        resolver=extend, description="Hold a claim longer, as long as the policy lets it."
    )
    move: ClaimPayload = strawberry.mutation(
        resolver=move,
        description="Claim units elsewhere in place of these: the old ones are free again, what was done is undone.",
    )
    split: ClaimPayload = strawberry.mutation(
        resolver=split, description="Make two claims of one of several counted units."
    )
    cancel: CancelPayload = strawberry.mutation(
        resolver=dispatching.cancel, description="Undo everything that was done for a ticket: claims, labels, tasks."
    )
    confirm_pickup: ConfirmPickupPayload = strawberry.mutation(
        resolver=dispatching.confirm_pickup, description="Confirm that the unit of a pickup task has been handed over."
    )
    order_pickup: PickupPayload = strawberry.mutation(
        resolver=order_pickup,
        description="Have a courier send a driver to a hub, for its parcels with a label that are still there.",
    )
    cancel_pickup: PickupPayload = strawberry.mutation(
        resolver=cancel_pickup, description="Call a driver off; its parcels wait for another one."
    )
    accept_task: TaskPayload = strawberry.mutation(
        resolver=accept_task, description="Take a task, so that nobody else begins it."
    )
    hand_back_task: TaskPayload = strawberry.mutation(
        resolver=hand_back_task, description="Give a task back that was taken: it is open again, for whoever takes it."
    )
    receive: ReceivePayload = strawberry.mutation(
        resolver=dispatching.receive,
        description="Confirm that a parcel has arrived: at its site, or at the hub whose shelf it fills up.",
    )
    record_procurement: ProcurementPayload = strawberry.mutation(
        resolver=dispatching.record_procurement,
        description="Record what became of an order: placed under a number, confirmed, sent, refused, called off.",
    )
    receive_procurement: ProcurementPayload = strawberry.mutation(
        resolver=dispatching.receive_procurement,
        description="Take goods in that were got from outside: onto a hub's shelf, or in use at the site.",
    )
    receive_loan: LoanPayload = strawberry.mutation(
        resolver=receive_loan, description="Take a unit back that was on loan: into the pool again, or into quarantine."
    )
    extend_loan: LoanPayload = strawberry.mutation(
        resolver=extend_loan, description="Let a unit stay on loan longer, whether it is overdue or not."
    )
    record_offline: RecordOfflinePayload = strawberry.mutation(
        resolver=record_offline,
        description="Record what was done where the hub could not be reached: each act once, in the order in which it "
        "was done. What does not fit is kept, and a person is asked.",
    )
    approve_replenishments: ApproveReplenishmentsPayload = strawberry.mutation(
        resolver=approve_replenishments,
        description="Let low shelves be filled up, each worked out anew: units are claimed at other hubs, and ordered.",
    )
    reject_replenishment: ReplenishmentPayload = strawberry.mutation(
        resolver=reject_replenishment,
        description="Do not want a proposal: it is not made again for a while, unless the shelf gets emptier.",
    )
    cancel_replenishment: ReplenishmentPayload = strawberry.mutation(
        resolver=cancel_replenishment,
        description="Call off what has not left its hub and what is on order; what is under way arrives.",
    )
    send_return: RmaPayload = strawberry.mutation(
        resolver=send_return, description="Record that a unit that has failed has left its site."
    )
    receive_return: RmaPayload = strawberry.mutation(
        resolver=receive_return, description="Take a unit in that has come back: it is in quarantine then."
    )
    cancel_rma: RmaPayload = strawberry.mutation(
        resolver=cancel_rma,
        description="Record that a unit does not come back; one that never left its site counts as in use again.",
    )
    extend_rma: RmaPayload = strawberry.mutation(
        resolver=extend_rma, description="Give a unit more time to come back, whether it is overdue or not."
    )
    sync_source: SyncSourcePayload = strawberry.mutation(
        resolver=operating.sync_source, description="Pull from a source now, and wait until it is done."
    )
    pause_source: SourcePayload = strawberry.mutation(
        resolver=syncing.pause_source,
        description="Have a source not pulled until it is resumed, whatever starts meanwhile; a pull under way ends.",
    )
    resume_source: SourcePayload = strawberry.mutation(
        resolver=syncing.resume_source, description="Let a source go on that somebody, or the guard, has paused."
    )
    plan_sync: SyncPlanPayload = strawberry.mutation(
        resolver=syncing.plan_sync, description="Keep a plan of what a sync of a source would do; nothing is done."
    )
    approve_sync_plan: SyncPlanPayload = strawberry.mutation(
        resolver=syncing.approve_sync_plan, description="Say that a plan may be applied."
    )
    apply_sync_plan: SyncPlanPayload = strawberry.mutation(
        resolver=syncing.apply_sync_plan,
        description="Read the source once more and do exactly what an approved plan says; nothing when it has drifted.",
    )
    discard_sync_plan: SyncPlanPayload = strawberry.mutation(
        resolver=syncing.discard_sync_plan, description="Give a plan up; what it says is not kept."
    )
    replay_quarantine: QuarantinePayload = strawberry.mutation(
        resolver=operating.replay_quarantine,
        description="Try quarantined records again, after what was wrong has been mended.",
    )
    discard_quarantine: QuarantinePayload = strawberry.mutation(
        resolver=operating.discard_quarantine,
        description="Settle quarantined records without using them; they stay on record.",
    )
    link_identity: IdentityReviewPayload = strawberry.mutation(
        resolver=identities.link,
        description="Say that a record is about a device that the hub knows; the record is used at once.",
    )
    separate_identity: IdentityReviewPayload = strawberry.mutation(
        resolver=identities.separate,
        description="Say that a record is about a device of its own; the record is used at once.",
    )
    dismiss_review: IdentityReviewPayload = strawberry.mutation(
        resolver=identities.dismiss,
        description="Leave a record in quarantine, and ask no more until what is known of it changes.",
    )
    merge_assets: MergeAssetsPayload = strawberry.mutation(
        resolver=merges.merge,
        description="Say that several devices are one: all that hangs on them comes to the one that is kept.",
    )
    undo_merge: UndoMergePayload = strawberry.mutation(
        resolver=merges.undo,
        description="Say that a merge was wrong: what it moved goes back, as far as it still is as the merge left it.",
    )
    split_asset: SplitAssetPayload = strawberry.mutation(
        resolver=merges.split,
        description="Say that some records of a device are about another one, which the hub makes of them.",
    )
    override_field: OverrideFieldPayload = strawberry.mutation(
        resolver=golden.override,
        description="Say what a field of a device, site, hub or product is, whatever sources say, until that is "
        "released or its time is over. An override that stands is replaced.",
    )
    release_override: ReleaseOverridePayload = strawberry.mutation(
        resolver=golden.release,
        description="Let a field have what sources state again; what none states is again what it was before.",
    )
    create_rollout: RolloutPayload = strawberry.mutation(
        resolver=rolling_out.create, description="Keep a rollout as a draft: many units for many sites."
    )
    plan_rollout: PlanRolloutPayload = strawberry.mutation(
        resolver=rolling_out.plan,
        description="Decide which hub serves each line that has no unit yet, in which wave; again whenever asked.",
    )
    start_rollout: RolloutPayload = strawberry.mutation(
        resolver=rolling_out.start,
        description="Begin a planned rollout, at its time; where it needs an approval, that is asked for first.",
    )
    pause_rollout: RolloutPayload = strawberry.mutation(
        resolver=rolling_out.pause, description="Stop it for a while; units that have not left their hubs go back."
    )
    resume_rollout: RolloutPayload = strawberry.mutation(
        resolver=rolling_out.resume, description="Have a paused or halted rollout go on."
    )
    halt_rollout: RolloutPayload = strawberry.mutation(
        resolver=rolling_out.halt, description="Stop it because something is wrong; units go back, people are told."
    )
    cancel_rollout: RolloutPayload = strawberry.mutation(
        resolver=rolling_out.cancel, description="End it; what is under way arrives, everything else goes back."
    )
    assign_rollout_ticket: RolloutPayload = strawberry.mutation(
        resolver=rolling_out.assign_ticket, description="Let the end of a ticket say what became of a site's lines."
    )
    report_rollout_line: RolloutLinePayload = strawberry.mutation(
        resolver=rolling_out.report_line, description="Say that a parcel's unit is installed, or has failed."
    )
    confirm_staging: WaveTaskPayload = strawberry.mutation(
        resolver=rolling_out.confirm_staging,
        description="Confirm that a hub has staged its part of a wave: labels are bought, hand-over follows.",
    )
    confirm_handover: WaveTaskPayload = strawberry.mutation(
        resolver=rolling_out.confirm_handover,
        description="Confirm that those parcels of a wave that have a label were given to the courier.",
    )
    add_alias: AliasPayload = strawberry.mutation(
        resolver=add,
        description="Let a name stand for a manufacturer, a product, a site or a hub from now on. Says what is there "
        "twice because of it; what hangs on a product is moved along only when that is asked for.",
    )
    remove_alias: RemoveAliasPayload = strawberry.mutation(
        resolver=remove, description="Let a name stand for itself again; what was moved because of it stays."
    )
    suggest_aliases: SuggestAliasesPayload = strawberry.mutation(
        resolver=suggest, description="Look for names that may be of one thing, and keep what is found for a person."
    )
    accept_alias_suggestion: AliasPayload = strawberry.mutation(
        resolver=accept_suggestion, description="Make the alias that a suggestion is about."
    )
    reject_alias_suggestion: RejectSuggestionPayload = strawberry.mutation(
        resolver=reject_suggestion,
        description="Say that two names are of two things; it is not suggested again.",
    )
    measure_data_quality: MeasureDataQualityPayload = strawberry.mutation(
        resolver=data_quality.measure,
        description="Measure the data quality of today anew: for the trend, for the scores, and for rules that ask.",
    )
    activate_policy: PolicyPayload = strawberry.mutation(
        resolver=operating.activate_policy,
        description="Make a policy the active one, after its document is validated and its tests have passed. "
        "The next decision is made by it.",
    )
    rollback_policy: PolicyPayload = strawberry.mutation(
        resolver=operating.rollback_policy, description="Make the policy active again that was active before this one."
    )
    approve: AnswerPayload = strawberry.mutation(
        resolver=approve,
        description="Say yes to a request for approval; with enough of them, what waits for it begins.",
    )
    reject: AnswerPayload = strawberry.mutation(
        resolver=reject, description="Say no to a request for approval: what waits for it is given back."
    )
    confirm_incident_group: IncidentGroupPayload = strawberry.mutation(
        resolver=confirm_group,
        description="Say that a group of tickets is one event, with its cause; those that wait are decided then.",
    )
    dismiss_incident_group: IncidentGroupPayload = strawberry.mutation(
        resolver=dismiss_group, description="Say that a group of tickets is no event: each is decided by itself."
    )
    close_incident_group: IncidentGroupPayload = strawberry.mutation(
        resolver=close_group,
        description="Say that a confirmed event is over: its tickets that have nothing are decided by themselves.",
    )
    delegate_approvals: DelegationPayload = strawberry.mutation(
        resolver=delegate, description="Let somebody answer requests for approval in one's place, for a time."
    )
    end_delegation: DelegationPayload = strawberry.mutation(
        resolver=end_delegation, description="Take a delegation back before its time."
    )
    open_red_channel: RedChannelPayload = strawberry.mutation(
        resolver=open_channel,
        description="Let the tickets of a preapproved kind of event skip the queue, for a time and within a scope.",
    )
    extend_red_channel: RedChannelPayload = strawberry.mutation(
        resolver=extend_channel, description="Let an open red channel end at another time."
    )
    close_red_channel: RedChannelPayload = strawberry.mutation(
        resolver=close_channel, description="Close an open red channel before its end."
    )


for _field in get_object_definition(Mutation, strict=True).fields:
    _field.extensions.append(NeedsRights(_field))
