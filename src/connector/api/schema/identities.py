"""Records of which a person has to say which device they are about, and why a record is matched as it is."""

from collections.abc import Mapping
from datetime import datetime
from typing import Annotated, Any

import strawberry

from connector.api.context import Info
from connector.api.permissions import require_facts, require_reach
from connector.api.reviewing import IdentityReviews
from connector.api.schema.asking import refusing, request_of
from connector.api.schema.fields import column, derived, related
from connector.api.schema.inputs import KEY
from connector.api.schema.lazy import AnyAsset, AnyQuarantinedRecord, AnySource
from connector.api.schema.nodes import Node, global_id, key_of
from connector.api.schema.payloads import Payload, target
from connector.api.schema.refusals import Refusal, refusal_of
from connector.api.schema.scalars import JSON, as_json
from connector.ingest.explaining import MatchExplanation as Explained
from connector.ingest.explaining import explain_match
from connector.model.errors import ConnectorError
from connector.model.lifecycle import ReviewState
from connector.storage.query import Row


@strawberry.type(description="A fact by which devices are told apart, of a record beside that of a device.")
class FactComparison:
    """A compared fact."""

    fact: str = strawberry.field(
        description="`serial`, `manufacturer`, `asset_tag`, `mac`, `hostname`, `site` or `product`."
    )
    stated: JSON | None = strawberry.field(description="What the record states; null where it says nothing.")
    known: JSON | None = strawberry.field(description="What is known of the device; null where nothing is.")
    agreement: str = strawberry.field(description="`agrees`, `differs`, or `missing` where one of them is null.")


@strawberry.type(description="A device that has what a rule looks for, and is another one all the same.")
class LeftOutDevice:
    """A device that a rule passes over."""

    asset_id: strawberry.ID = strawberry.field(description="Id of the device, for `node`.")
    reason: str = strawberry.field(description="Why it is another one, for people.")


@strawberry.type(description="One match rule that was tried, and what it came to.")
class MatchAttempt:
    """An attempt of a rule."""

    rule: str = strawberry.field(description="`source_reference`, or the rule as `identity.match` calls it.")
    compared: JSON = strawberry.field(description="What of the record was looked for, by fact.")
    asset_ids: list[strawberry.ID] = strawberry.field(description="Ids of the devices that it finds, for `node`.")
    left_out: list[LeftOutDevice] = strawberry.field(description="Devices that have the same and are others.")
    note: str | None = strawberry.field(description="What else there is to say, for people.")


def _attempts(told: list[dict[str, Any]]) -> list[MatchAttempt]:
    return [
        MatchAttempt(
            rule=attempt["rule"],
            compared=as_json(attempt["compared"]),
            asset_ids=[_asset_id(number) for number in attempt["found"]],
            left_out=[
                LeftOutDevice(asset_id=_asset_id(left["asset_id"]), reason=left["reason"])
                for left in attempt["left_out"]
            ],
            note=attempt["note"],
        )
        for attempt in told
    ]


def _facts(told: list[Mapping[str, Any]]) -> list[FactComparison]:
    return [
        FactComparison(
            fact=fact["fact"],
            stated=None if fact["stated"] is None else as_json(fact["stated"]),
            known=None if fact["known"] is None else as_json(fact["known"]),
            agreement=fact["agreement"],
        )
        for fact in told
    ]


def _rules(root: Row) -> list[str]:
    return list(root.values["rules"])


def _asset_id(number: int) -> strawberry.ID:
    return strawberry.ID(global_id("Asset", number))


@strawberry.type(description="A record of which the match rules cannot tell which device it is about.")
class IdentityReview(Node):
    """An identity review."""

    source: AnySource = related("source", "Who sent the record.")
    external_id: str = column("What its source calls the device.")
    name: str | None = column("The name that the record states.")
    state: ReviewState = column("Where it stands.")
    reason: str = column("Why it is unclear, for people.")
    stated: JSON = derived(
        lambda root: as_json(root.values["stated"]), "What the record states of the facts that are compared.",
        columns=("stated",),
    )  # fmt: skip
    attempts: list[MatchAttempt] = derived(
        lambda root: _attempts(root.values["attempts"]), "The rules in the order in which they were tried.",
        columns=("attempts",),
    )  # fmt: skip
    candidates: list["IdentityCandidate"] = related("candidates", "The devices between which is to be chosen.")
    record: AnyQuarantinedRecord | None = related("record", "The record as it waits, or waited.")
    asset: AnyAsset | None = related("asset", "The device that the record stands for since; null before.")
    decided_by: str | None = column("Who answered; null where nobody had to.")
    decided_at: datetime | None = column("When.")
    decision_reason: str | None = column("Why, as that person states it.")
    created_at: datetime = column("When it was asked.")
    updated_at: datetime = column("When it last changed.")


@strawberry.type(description="A device that a record may be about, with what speaks for and against it.")
class IdentityCandidate(Node):
    """A candidate."""

    review: IdentityReview = related("review", "The review.")
    asset: AnyAsset | None = related("asset", "The device.")
    rules: list[str] = derived(_rules, "The rules that find it.", columns=("rules",))
    facts: list[FactComparison] = derived(
        lambda root: _facts(root.values["facts"]), "What was compared.", columns=("facts",)
    )


@strawberry.input(description="Say that a record is about a device that the hub knows.")
class LinkIdentityInput:
    """Input of `linkIdentity`."""

    identity_review_id: strawberry.ID = strawberry.field(description="Which review.")
    asset_id: strawberry.ID = strawberry.field(description="Which device, whether the rules found it or not.")
    reason: str | None = strawberry.field(default=None, description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.input(description="Say that a record is about a device of its own.")
class SeparateIdentityInput:
    """Input of `separateIdentity`."""

    identity_review_id: strawberry.ID = strawberry.field(description="Which review.")
    reason: str | None = strawberry.field(default=None, description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.input(description="Leave a record out for now.")
class DismissReviewInput:
    """Input of `dismissReview`."""

    identity_review_id: strawberry.ID = strawberry.field(description="Which review.")
    reason: str = strawberry.field(description="Why; kept with it.")
    idempotency_key: str = KEY


@strawberry.type(description="Answer of `linkIdentity`, `separateIdentity` and `dismissReview`.")
class IdentityReviewPayload(Payload):
    """Payload of all three."""

    review: IdentityReview | None = target("review")
    is_applied: bool = strawberry.field(
        default=False,
        description="Whether the record was used at once; else it still waits in quarantine.",
    )


@strawberry.type(description="Answer of `explainMatch`.")
class MatchExplanation:
    """How a record is matched, or why that cannot be said."""

    outcome: str | None = strawberry.field(
        default=None, description="`link`, `new` or `review`; null when it was refused."
    )
    asset_id: strawberry.ID | None = strawberry.field(
        default=None, description="The device that it is, or would be, linked with."
    )
    reason: str | None = strawberry.field(default=None, description="Why, for people.")
    basis: str | None = strawberry.field(
        default=None,
        description="What is compared: the record in `quarantine`, or as last stated (`record`), or the `device`.",
    )
    stated: JSON | None = strawberry.field(default=None, description="What is stated of the facts.")
    attempts: list[MatchAttempt] = strawberry.field(
        default_factory=list, description="The reference, then the rules in the order in which they are tried."
    )
    candidates: list["MatchCandidate"] = strawberry.field(
        default_factory=list, description="Every device that a rule finds."
    )
    identity_review_id: strawberry.ID | None = strawberry.field(
        default=None, description="The open review about the record, for `node`."
    )
    errors: list[Refusal] = strawberry.field(
        default_factory=list, description="What is wrong with the question; empty when it was answered."
    )


@strawberry.type(description="A device that a rule finds for a record.")
class MatchCandidate:
    """A candidate of an explanation."""

    asset_id: strawberry.ID = strawberry.field(description="Id of the device, for `node`.")
    rules: list[str] = strawberry.field(description="The rules that find it.")
    facts: list[FactComparison] = strawberry.field(description="What was compared.")


async def link(info: Info, input: LinkIdentityInput) -> IdentityReviewPayload:
    """`linkIdentity`."""
    async with refusing(info) as refusals:
        review, by = key_of(input.identity_review_id, entity="identity_review"), request_of(info, input.idempotency_key)
        asset = key_of(input.asset_id, entity="asset")
        done = await _desk(info).link(review, asset, reason=input.reason, key=by.key, actor=by.actor)
        return IdentityReviewPayload(key=review, is_applied=done.is_applied)
    return IdentityReviewPayload(errors=refusals)


async def separate(info: Info, input: SeparateIdentityInput) -> IdentityReviewPayload:
    """`separateIdentity`."""
    async with refusing(info) as refusals:
        review, by = key_of(input.identity_review_id, entity="identity_review"), request_of(info, input.idempotency_key)
        done = await _desk(info).separate(review, reason=input.reason, key=by.key, actor=by.actor)
        return IdentityReviewPayload(key=review, is_applied=done.is_applied)
    return IdentityReviewPayload(errors=refusals)


async def dismiss(info: Info, input: DismissReviewInput) -> IdentityReviewPayload:
    """`dismissReview`."""
    async with refusing(info) as refusals:
        review, by = key_of(input.identity_review_id, entity="identity_review"), request_of(info, input.idempotency_key)
        done = await _desk(info).dismiss(review, reason=input.reason, key=by.key, actor=by.actor)
        return IdentityReviewPayload(key=review, is_applied=done.is_applied)
    return IdentityReviewPayload(errors=refusals)


async def resolve_explain_match(
    info: Info,
    source: Annotated[str, strawberry.argument(description="Name of the source.")],
    external_id: Annotated[str, strawberry.argument(description="What it calls the device.")],
) -> MatchExplanation:
    """`explainMatch`."""
    context = info.context
    try:
        require_reach(context.principal, "explainMatch")
        require_facts(context.principal, context.reader.sight, "explainMatch")
        async with context.reader.exclusively:
            tx = await context.reader.snapshot()
            found = await explain_match(tx, source, external_id, at=context.clock.now())
    except ConnectorError as error:
        return MatchExplanation(errors=[refusal_of(error)])
    return _told(found)


def _told(found: Explained) -> MatchExplanation:
    return MatchExplanation(
        outcome=found.outcome,
        asset_id=None if found.asset_id is None else _asset_id(found.asset_id),
        reason=found.reason,
        basis=found.basis,
        stated=as_json(dict(found.stated)),
        attempts=_attempts([dict(attempt) for attempt in found.attempts]),
        candidates=[
            MatchCandidate(
                asset_id=_asset_id(candidate["asset_id"]), rules=candidate["rules"], facts=_facts(candidate["facts"])
            )
            for candidate in found.candidates
        ],
        identity_review_id=None if found.review is None else strawberry.ID(global_id("IdentityReview", found.review)),
    )


def _desk(info: Info) -> IdentityReviews:
    return IdentityReviews(info.context.engine, info.context.clock)
