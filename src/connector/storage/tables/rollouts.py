"""Rollouts: many units of one product for many sites, sent in waves, and what each parcel of them has come to."""

from datetime import datetime
from typing import Any, ClassVar

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field

from connector.model.kinds import Success
from connector.model.lifecycle import RolloutLineState, RolloutState
from connector.rules.policy.values import Mode
from connector.storage.tables.columns import Declared, EnumText, Id, Json, UtcDateTime, one_of


class Rollout(Declared, table=True):
    """A rollout. ticket_id: the change or request that it is done under; its reservations hang on it.

    preparation: what is done to each unit before it leaves, for people: an image, its version, a configuration.
    wave_size: lines of a wave, the first one `first_wave_size`; keep_free_percent: share of what a hub could give that
    it keeps. success, success_percent, soak_minutes: when a wave is done and the next one may begin. halt_percent,
    halt_sample: failures of those finished, and how many must be finished before they count. delivery_days: until all
    parcels of a wave should be there.
    wave: number of the newest one, 0 before the first; opened_at, settled_at: when it began, and since when it is done.
    counted_from: lines that finished earlier are left out of the share of failures. plan: what the newest plan found,
    floors in it what each hub keeps. progress: how many lines are in which state, as a whole and by wave.
    """

    __tablename__: ClassVar[str] = "rollout"
    __table_args__ = (
        Index("ix_rollout_state", "state"),
        one_of("state", RolloutState),
        one_of("success", Success),
        CheckConstraint("wave_size > 0 AND first_wave_size > 0", name="waves_not_empty"),
        CheckConstraint("keep_free_percent BETWEEN 0 AND 100", name="keep_free_is_a_share"),
        CheckConstraint("success_percent BETWEEN 0 AND 100", name="success_is_a_share"),
        CheckConstraint("halt_percent BETWEEN 0 AND 100", name="halt_is_a_share"),
        CheckConstraint("halt_sample > 0 AND soak_minutes >= 0 AND delivery_days > 0", name="limits_make_sense"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    name: str = Field(unique=True)
    ticket_id: int = Field(foreign_key="ticket.id", index=True, sa_type=Id)
    product_id: int = Field(foreign_key="product.id", index=True, sa_type=Id)
    preparation: str | None = None
    state: RolloutState = Field(sa_type=EnumText(RolloutState))
    reason: str | None = None
    author: str
    starts_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    first_wave_size: int
    wave_size: int
    keep_free_percent: int
    success: Success = Field(sa_type=EnumText(Success))
    success_percent: int
    soak_minutes: int
    halt_percent: int
    halt_sample: int
    delivery_days: int
    approval: str | None = None
    policy_version: str
    wave: int = 0
    opened_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    settled_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    counted_from: datetime | None = Field(default=None, sa_type=UtcDateTime)
    plan: dict[str, Any] | None = Field(default=None, sa_type=Json)
    progress: dict[str, Any] = Field(sa_type=Json)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)


class RolloutLine(Declared, table=True):
    """One parcel of a rollout: one unit of a serialised product, `quantity` of a counted one.

    line: of the ticket, which its reservations are made on. risk: of the site, low ones first; risk_rule: where that
    comes from. asked_wave: the wave that whoever made the rollout wants it in. wave: the one that it is or was in.
    ticket_id: a ticket of its own, whose end says what became of it.
    hub_id: where its unit is, or should come from. mode: how it travels. estimated_arrival_at: when it should be there.
    expected_at: when a short one may get a unit. finished_at: when it succeeded or failed.
    """

    __tablename__: ClassVar[str] = "rollout_line"
    __table_args__ = (
        UniqueConstraint("rollout_id", "line", name="uq_rollout_line"),
        Index("ix_rollout_line_state", "rollout_id", "state"),
        one_of("state", RolloutLineState),
        one_of("mode", Mode),
        CheckConstraint("quantity > 0", name="quantity_positive"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    rollout_id: int = Field(foreign_key="rollout.id", sa_type=Id)
    line: int
    site_id: int = Field(foreign_key="site.id", index=True, sa_type=Id)
    ticket_id: int | None = Field(default=None, foreign_key="ticket.id", index=True, sa_type=Id)
    quantity: int = 1
    risk: int
    risk_rule: str
    asked_wave: int | None = None
    wave: int | None = None
    state: RolloutLineState = Field(sa_type=EnumText(RolloutLineState))
    hub_id: int | None = Field(default=None, foreign_key="hub.id", sa_type=Id)
    distance_km: int | None = None
    mode: Mode | None = Field(default=None, sa_type=EnumText(Mode))
    estimated_arrival_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    reason: str | None = None
    expected_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    finished_at: datetime | None = Field(default=None, sa_type=UtcDateTime)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
