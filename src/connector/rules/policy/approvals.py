"""Approvals: what needs somebody's yes, whose, how many, until when, and what silence means.

The part of the policy document, and what follows from it at a moment. Kept and counted by
`connector.storage.approvals.approvals`; see docs/approvals.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Annotated, Literal, Self, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, model_validator

from connector.model.calendars import Calendar, add_open_time, parse_hours
from connector.rules.policy.conditions import REQUEST, ConditionFailed, Facts, Scope, Value, compile_condition

NEXT_RUNG = "next"
PERSON = "person"


def _hours(text: str) -> str:
    parse_hours(text)
    return text


def _condition(text: str) -> str:
    compile_condition(text, about_request=True)
    return text


def _distinct(values: tuple[str, ...]) -> tuple[str, ...]:
    if not values:
        raise ValueError("is empty: expected at least one role")
    if len(set(values)) < len(values):
        raise ValueError("names a role more than once")
    return values


RoleName = Annotated[str, Field(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$", examples=["approver"])]
Roles = Annotated[tuple[RoleName, ...], Field(examples=[["approver"]]), AfterValidator(_distinct)]
Minutes = Annotated[int, Field(gt=0, le=43_200, examples=[30])]


class Escalation(BaseModel):
    """After so many minutes without an answer these roles may answer as well, and are asked."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    after_minutes: Minutes
    roles: Roles


class Approval(BaseModel):
    """Who must say yes, how many different people, until when, and what follows when nobody does.

    within_minutes, after_minutes: counted in `hours`, in the policy's default time zone. on_timeout: what silence
    means. on_refusal: what becomes of a ticket whose request was refused: the next way that needs no such approval, or
    a person's task. requester_may_approve: whether who asked counts. on_paper: whether an answer counts that was given
    where the hub could not be reached, and recorded later. auto_approve_when: CEL; where it is true, nobody
    is asked.
    """

    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")

    roles: Roles
    count: Annotated[int, Field(ge=1, le=20, examples=[2])] = 1
    within_minutes: Minutes
    hours: Annotated[str, AfterValidator(_hours), Field(examples=["Mon-Fri 08:00-18:00"])] = "24x7"
    escalate: Annotated[
        tuple[Escalation, ...], Field(examples=[[{"after_minutes": 15, "roles": ["duty-manager"]}]])
    ] = ()
    on_timeout: Annotated[Literal["approve", "reject"], Field(examples=["reject"])] = "reject"
    on_refusal: Annotated[Literal["next", "person"], Field(examples=["next"])] = "next"
    requester_may_approve: bool = False
    on_paper: bool = False
    auto_approve_when: (
        Annotated[str, AfterValidator(_condition), Field(examples=["request.cost_cents < 20000"])] | None
    ) = None

    @model_validator(mode="after")
    def _ends(self) -> Self:
        for step in self.escalate:
            if step.after_minutes >= self.within_minutes:
                raise ValueError(
                    f"escalates after {step.after_minutes} minutes, when its {self.within_minutes} are over: "
                    "escalate sooner, or allow more time"
                )
        if _after(self.hours, "UTC", datetime(2026, 1, 5, tzinfo=UTC), self.within_minutes) is None:
            raise ValueError(
                f"{self.within_minutes} minutes of {self.hours!r} never pass within the years looked ahead"
            )
        return self


@dataclass(frozen=True, slots=True)
class Widening:
    """From a moment on further roles may answer."""

    at: datetime
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Terms:
    """An approval as it is asked for at a moment: what the policy says, with its times counted."""

    name: str
    roles: tuple[str, ...]
    count: int
    deadline: datetime
    widenings: tuple[Widening, ...]
    on_timeout: Literal["approve", "reject"]
    on_refusal: Literal["next", "person"]
    requester_may_approve: bool


def terms_of(name: str, approval: Approval, asked_at: datetime, time_zone: str) -> Terms:
    """The terms of an approval that is asked for now. time_zone: in which its hours are meant."""

    def after(minutes: int) -> datetime:
        found = _after(approval.hours, time_zone, asked_at, minutes)
        return asked_at + timedelta(minutes=minutes) if found is None else found

    widenings = sorted((Widening(after(step.after_minutes), step.roles) for step in approval.escalate), key=_at)
    return Terms(
        name=name,
        roles=approval.roles,
        count=approval.count,
        deadline=after(approval.within_minutes),
        widenings=tuple(widenings),
        on_timeout=approval.on_timeout,
        on_refusal=approval.on_refusal,
        requester_may_approve=approval.requester_may_approve,
    )


def roles_at(roles: Iterable[str], widenings: Iterable[Widening], at: datetime) -> tuple[str, ...]:
    """The roles that may answer at a moment, each once, the first asked first."""
    widened = (role for step in widenings if step.at <= at for role in step.roles)
    return tuple(dict.fromkeys((*roles, *widened)))


Request: TypeAlias = Mapping[str, Value]
"""What is asked for, as `auto_approve_when` reads it: kind, cost_cents, quantity, lane."""


def request_of(kind: str, *, cost_cents: int, quantity: int = 1, lane: str = "") -> Request:
    """What is asked for. kind: `reservation`, `procurement`, `rollout`. lane: of stock that is claimed."""
    return {"kind": kind, "cost_cents": cost_cents, "quantity": quantity, "lane": lane}


def is_waived(approval: Approval, scope: Scope, request: Request) -> bool:
    """Whether nobody needs to be asked; a condition that cannot be evaluated waives nothing."""
    if approval.auto_approve_when is None:
        return False
    facts = Facts({**scope, REQUEST: request})
    try:
        return compile_condition(approval.auto_approve_when, about_request=True).holds(facts)
    except ConditionFailed:
        return False


def told(name: str, approval: Approval) -> str:
    """What an approval asks for, for people."""
    people = f"{approval.count} of " if approval.count > 1 else ""
    return f"approval {name!r} ({people}{' or '.join(approval.roles)} within {approval.within_minutes} min)"


def _at(widening: Widening) -> datetime:
    return widening.at


def _after(hours: str, time_zone: str, start: datetime, minutes: int) -> datetime | None:
    return add_open_time(Calendar(time_zone, parse_hours(hours)), start, timedelta(minutes=minutes))
