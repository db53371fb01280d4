"""Records of which nobody knows whose they are: the question, its evidence, and what a person said.

Of a record at most one review is open. It is renewed when the record comes again, and settled when its entry in the
quarantine is closed without anybody's answer.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from hashlib import blake2b
from typing import Any

import orjson
from sqlalchemy import Select, and_, delete, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition, NotKnown
from connector.model.lifecycle import ReviewState
from connector.model.refs import EntityKind
from connector.storage.database.bulk import among, insert_rows, new_ids
from connector.storage.database.rows import insert_logged, update_logged
from connector.storage.tables import asset, identity_candidate, identity_review, source, source_ref

KIND = EntityKind.IDENTITY_REVIEW
UNDECIDED = (ReviewState.OPEN, ReviewState.DISMISSED)
"""States in which it can still be said whose the record is."""


@dataclass(frozen=True, slots=True)
class NewCandidate:
    """A device that a record may be about. facts: each with what is stated, what is known, and whether they agree."""

    asset_id: int
    rules: Sequence[str]
    facts: Sequence[Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class NewReview:
    """A question about a record. See the tables for what each field means."""

    external_id: str
    quarantine_id: int
    name: str | None
    reason: str
    stated: Mapping[str, Any]
    attempts: Sequence[Mapping[str, Any]]
    candidates: Sequence[NewCandidate]

    @property
    def evidence(self) -> str:
        """A digest of all that speaks for and against."""
        said = [self.reason, self.stated, self.attempts, [asdict(candidate) for candidate in self.candidates]]
        return blake2b(orjson.dumps(said, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


@dataclass(frozen=True, slots=True)
class ReviewRow:
    """A review. source: its name. See the table for the other fields."""

    id: int
    source_id: int
    source: str
    external_id: str
    quarantine_id: int | None
    name: str | None
    state: ReviewState
    reason: str
    stated: dict[str, Any]
    attempts: list[dict[str, Any]]
    evidence: str
    asset_id: int | None
    decided_by: str | None
    decided_at: datetime | None
    decision_reason: str | None
    created_at: datetime
    updated_at: datetime


@dataclass(frozen=True, slots=True)
class CandidateRow:
    """A candidate of a review, with what the device is called now."""

    asset_id: int
    name: str | None
    serial: str | None
    asset_tag: str | None
    rules: list[str]
    facts: list[dict[str, Any]]


async def put_reviews(
    tx: AsyncConnection, source_id: int, reviews: Sequence[NewReview], *, actor: str, at: datetime
) -> None:
    """Ask about records; the question about a record that is open is renewed where something is new.

    One that was dismissed is asked again only where something speaks for or against that did not then.
    """
    c = identity_review.c
    statement = select(c.id, c.external_id, c.state, c.evidence, c.quarantine_id).where(
        c.source_id == source_id,
        among(tx, c.external_id, [review.external_id for review in reviews]),
        c.state.in_(UNDECIDED),
    )
    last = {row.external_id: row for row in (await tx.execute(statement.order_by(c.id))).all()}
    for review in reviews:
        known = last.get(review.external_id)
        values = {
            "name": review.name,
            "reason": review.reason,
            "stated": dict(review.stated),
            "attempts": [dict(attempt) for attempt in review.attempts],
            "evidence": review.evidence,
            "quarantine_id": review.quarantine_id,
        }
        same = known is not None and known.evidence == review.evidence
        if known is not None and (known.state is ReviewState.OPEN or same):
            await update_logged(tx, identity_review, KIND, known.id, values, actor=actor, at=at)
            if not same:
                await tx.execute(delete(identity_candidate).where(identity_candidate.c.review_id == known.id))
                await _put_candidates(tx, known.id, review.candidates)
        else:
            row = {"source_id": source_id, "external_id": review.external_id, "state": ReviewState.OPEN, **values}
            await _put_candidates(
                tx, await insert_logged(tx, identity_review, KIND, row, actor=actor, at=at), review.candidates
            )


async def settle_reviews(tx: AsyncConnection, quarantine_ids: Collection[int], *, actor: str, at: datetime) -> None:
    """The records behind these entries are no question any more: they were used, or given up."""
    c, ref = identity_review.c, source_ref.c
    statement = (
        select(c.id, ref.entity_id)
        .outerjoin(
            source_ref,
            and_(ref.source_id == c.source_id, ref.kind == EntityKind.ASSET, ref.external_id == c.external_id),
        )
        .where(among(tx, c.quarantine_id, quarantine_ids), c.state == ReviewState.OPEN)
        .order_by(c.id)
    )
    for row_id, asset_id in (await tx.execute(statement)).all():
        values = {"state": ReviewState.SETTLED, "asset_id": asset_id}
        await update_logged(tx, identity_review, KIND, row_id, values, actor=actor, at=at)


async def decide_review(
    tx: AsyncConnection,
    review_id: int,
    state: ReviewState,
    *,
    asset_id: int | None = None,
    actor: str,
    reason: str | None,
    at: datetime,
) -> ReviewRow:
    """Keep what a person says of a review; returns it as it is then. asset_id: whom its record was linked with.

    Raises NotKnown, and IllegalTransition when it is decided already.
    """
    review = await review_row(tx, review_id)
    if review.state not in UNDECIDED or review.state is state:
        told = "settled by itself" if review.state is ReviewState.SETTLED else f"decided: {review.state.value}"
        raise IllegalTransition(
            f"identity review {review_id} is {told}", hint="`connector identity show` says what became of it."
        )
    values = {"state": state, "asset_id": asset_id, "decided_by": actor, "decided_at": at, "decision_reason": reason}
    await update_logged(tx, identity_review, KIND, review_id, values, actor=actor, at=at)
    return await review_row(tx, review_id)


async def note_separated(
    tx: AsyncConnection, source_id: int, devices: Mapping[str, int], *, actor: str, at: datetime
) -> None:
    """The records that were said to be devices of their own are there now. devices: external id -> asset."""
    c = identity_review.c
    statement = select(c.id, c.external_id).where(
        c.source_id == source_id,
        among(tx, c.external_id, devices),
        c.state == ReviewState.SEPARATE,
        c.asset_id.is_(None),
    )
    for row_id, external_id in (await tx.execute(statement.order_by(c.id))).all():
        values = {"asset_id": devices[external_id]}
        await update_logged(tx, identity_review, KIND, row_id, values, actor=actor, at=at)


async def put_separation(
    tx: AsyncConnection,
    source_id: int,
    external_id: str,
    asset_id: int,
    *,
    name: str | None,
    reason: str,
    stated: Mapping[str, Any],
    candidate: NewCandidate,
    actor: str,
    decision_reason: str,
    at: datetime,
) -> int:
    """Keep that a record is about a device of its own, which nobody was asked; returns the review's id.

    reason: why it is told. candidate: the device that it is not about.
    """
    evidence = NewReview(external_id, 0, name, reason, stated, (), (candidate,)).evidence
    row = {
        "source_id": source_id,
        "external_id": external_id,
        "quarantine_id": None,
        "name": name,
        "state": ReviewState.SEPARATE,
        "reason": reason,
        "stated": dict(stated),
        "attempts": [],
        "evidence": evidence,
        "asset_id": asset_id,
        "decided_by": actor,
        "decided_at": at,
        "decision_reason": decision_reason,
    }
    review_id = await insert_logged(tx, identity_review, KIND, row, actor=actor, cause=decision_reason, at=at)
    await _put_candidates(tx, review_id, [candidate])
    return review_id


async def review_row(tx: AsyncConnection, review_id: int) -> ReviewRow:
    """One review. Raises NotKnown."""
    row = (await tx.execute(_reviews().where(identity_review.c.id == review_id))).mappings().one_or_none()
    if row is None:
        raise NotKnown(
            f"there is no identity review {review_id}", hint="`connector identity list` shows those that there are."
        )
    return ReviewRow(**row)


async def review_candidates(tx: AsyncConnection, review_id: int) -> list[CandidateRow]:
    """The devices that the record of a review may be about, oldest first."""
    c = identity_candidate.c
    statement = (
        select(c.asset_id, asset.c.name, asset.c.serial, asset.c.asset_tag, c.rules, c.facts)
        .join_from(identity_candidate, asset, asset.c.id == c.asset_id)
        .where(c.review_id == review_id)
    )
    return [CandidateRow(*row) for row in await tx.execute(statement.order_by(c.asset_id))]


async def list_reviews(
    tx: AsyncConnection,
    states: Sequence[ReviewState],
    *,
    source_id: int | None = None,
    after: int = 0,
    limit: int = 50,
) -> list[tuple[ReviewRow, int]]:
    """A page of reviews in these states, oldest first, each with the number of its candidates."""
    c = identity_review.c
    count = select(func.count()).where(identity_candidate.c.review_id == c.id).scalar_subquery()
    statement = _reviews().add_columns(count.label("candidates")).where(c.state.in_(states), c.id > after)
    if source_id is not None:
        statement = statement.where(c.source_id == source_id)
    rows = (await tx.execute(statement.order_by(c.id).limit(limit))).mappings()
    return [(ReviewRow(**{k: v for k, v in row.items() if k != "candidates"}), row["candidates"]) for row in rows]


async def open_review_of(tx: AsyncConnection, source_id: int, external_id: str) -> int | None:
    """The open review about a record of a source, None without one."""
    c = identity_review.c
    statement = select(c.id).where(c.source_id == source_id, c.external_id == external_id, c.state == ReviewState.OPEN)
    return (await tx.execute(statement)).scalar_one_or_none()


async def open_about(tx: AsyncConnection, asset_id: int) -> list[tuple[int, int]]:
    """(source id, quarantine id) of the open reviews that have this device among their candidates."""
    c = identity_review.c
    statement = (
        select(c.source_id, c.quarantine_id)
        .join_from(identity_review, identity_candidate, identity_candidate.c.review_id == c.id)
        .where(identity_candidate.c.asset_id == asset_id, c.state == ReviewState.OPEN)
    )
    return [(row[0], row[1]) for row in await tx.execute(statement.order_by(c.id))]


async def _put_candidates(tx: AsyncConnection, review_id: int, candidates: Sequence[NewCandidate]) -> None:
    ids = await new_ids(tx, identity_candidate, len(candidates))
    rows = [
        {
            "id": row_id,
            "review_id": review_id,
            "asset_id": candidate.asset_id,
            "rules": list(candidate.rules),
            "facts": [dict(fact) for fact in candidate.facts],
        }
        for row_id, candidate in zip(ids, candidates, strict=True)
    ]
    await insert_rows(tx, identity_candidate, rows)


def _reviews() -> Select[Any]:
    names = [name for name in ReviewRow.__slots__ if name != "source"]
    return select(*(identity_review.c[name] for name in names), source.c.name.label("source")).join_from(
        identity_review, source, source.c.id == identity_review.c.source_id
    )
