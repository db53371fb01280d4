"""Red channels: opened, extended and closed by those whom the policy names; the report at the end."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Final, TypeAlias

from connector.fulfilment.approvals import settle
from connector.fulfilment.once import once
from connector.fulfilment.work import Work
from connector.model.errors import InvalidInput, NotKnown
from connector.model.kinds import TaskKind
from connector.model.lifecycle import ApprovalState
from connector.model.principals import Principal
from connector.rules.policy.channels import RedChannel, ScopeKey
from connector.rules.policy.reading import Policy
from connector.rules.sourcing.decide import channel_at
from connector.storage.approvals.approvals import lock_approval
from connector.storage.approvals.channels import (
    BY_ITSELF,
    NewChannel,
    approvals_in,
    close_channel,
    extend_channel,
    insert_channel,
    known_ids,
    lock_ended_channels,
    lock_open_channel,
    who_waives,
)
from connector.storage.database.engine import Transaction, in_transaction
from connector.storage.facts.facts import facts_of_tickets
from connector.storage.policies.active import PolicySource, policy_now
from connector.storage.tickets.tasks import NewTask, require_task

Scope: TypeAlias = Mapping[ScopeKey, Sequence[Any]]
"""What a channel is narrowed to: ids of products and sites, names of asset classes and regions."""

NOTHING: Final = 0
"""Target of the key of a command that makes something."""


class Channels:
    """What people do with red channels, and what time does."""

    def __init__(self, work: Work, policy: PolicySource) -> None:
        self._work = work
        self._policy = policy

    async def open(self, name: str, *, by: Principal, reason: str, scope: Scope, ends_at: datetime, key: str) -> int:
        """Open a channel of a kind until then, for what it is narrowed to; returns its id.

        Raises NotKnown for a kind that the policy does not have, Forbidden without one of its roles, InvalidInput for a
        missing reason, an end that is past or farther away than the policy allows, and a scope that it does not allow.
        What its tickets wait for somebody's yes to goes on without one, where the channel spares them that.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            policy = await policy_now(tx, self._policy)
            stated = _stated(policy, name)
            by.require(stated.roles, f"open red channel {name!r}")
            why = _given(reason)
            _check_end(name, stated, ends_at, at)
            narrowed = await _narrowed(tx, name, stated, scope)
            new = NewChannel(name, policy.version, why, narrowed, ends_at)
            channel_id = await insert_channel(tx, new, by=by.name, at=at)
            waived = await self._waive(tx, channel_id, policy, why, by=by.name, at=at) if stated.skips_approvals else 0
            return {"id": channel_id, "waived": waived}

        return int((await once(self._work, "open-channel", key, NOTHING, do))["id"])

    async def extend(self, channel_id: int, *, by: Principal, reason: str, ends_at: datetime, key: str) -> None:
        """Let an open channel end at another time.

        Raises NotKnown, Forbidden, InvalidInput, and IllegalTransition when it has ended.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            row = await lock_open_channel(tx, channel_id, at)
            stated = _stated(await policy_now(tx, self._policy), row["name"])
            by.require(stated.roles, f"extend red channel {row['name']!r}")
            why = _given(reason)
            _check_end(row["name"], stated, ends_at, at)
            await extend_channel(tx, channel_id, ends_at, by=by.name, reason=why, at=at)
            return {}

        await once(self._work, "extend-channel", key, channel_id, do)

    async def close(self, channel_id: int, *, by: Principal, reason: str, key: str) -> dict[str, Any]:
        """Close an open channel before its end; returns the report of its use.

        Raises NotKnown, Forbidden, InvalidInput, and IllegalTransition when it has ended.
        """

        async def do(tx: Transaction, at: datetime) -> dict[str, Any]:
            row = await lock_open_channel(tx, channel_id, at)
            policy = await policy_now(tx, self._policy)
            stated = policy.red_channels.get(row["name"])
            by.require(stated.roles if stated else (), f"close red channel {row['name']!r}")
            return await _closed(tx, row, by=by.name, reason=_given(reason), at=at)

        return await once(self._work, "close-channel", key, channel_id, do)

    async def tend(self) -> int:
        """Record the end of channels whose time is over, and report their use; how many that were.

        Once, however many processes do it: each channel is locked while that is written.
        """
        at = self._work.clock.now()

        async def work(tx: Transaction) -> int:
            ended = await lock_ended_channels(tx, at)
            for row in ended:
                await _closed(tx, row, by=BY_ITSELF, reason=f"ended at {row['ends_at']:%Y-%m-%d %H:%M}Z", at=at)
            return len(ended)

        return await in_transaction(self._work.database, work)

    async def _waive(self, tx: Transaction, channel_id: int, policy: Policy, why: str, *, by: str, at: datetime) -> int:
        """Settle the pending requests that a channel makes unnecessary; how many those were."""
        waiting, waived = await approvals_in(tx, channel_id), 0
        facts = await facts_of_tickets(tx, waiting) if waiting else {}
        for ticket_id, item in sorted(facts.items()):
            channel = channel_at(item, policy, at)
            if channel is None or channel.facts.id != channel_id:
                continue
            for approval_id in waiting[ticket_id]:
                row = await lock_approval(tx, approval_id)
                if row.state is ApprovalState.PENDING and at < row.deadline_at:
                    reason = f"red channel {channel.facts.name!r} was opened by {by}: {why}"
                    await settle(tx, row, ApprovalState.WAIVED, by=who_waives(channel_id), reason=reason, at=at)
                    waived += 1
        return waived


def report_text(report: Mapping[str, Any]) -> str:
    """A report for people."""
    tickets = report["tickets"]
    listed = f" ({', '.join(tickets[:20])}{', …' if len(tickets) > 20 else ''})" if tickets else ""
    units = ", ".join(f"{count} {lane.replace('_', '-')}" for lane, count in report["units"].items()) or "none"
    return (
        f"Tickets: {len(tickets)}{listed}. Units: {units}. Transport: {report['cost_cents'] / 100:,.2f}. "
        f"Approvals skipped: {report['skipped_approvals']}."
    )


async def _closed(tx: Transaction, row: Mapping[str, Any], *, by: str, reason: str, at: datetime) -> dict[str, Any]:
    report = await close_channel(tx, row["id"], by=by, reason=reason, at=at)
    new = NewTask(
        key=f"channel-report:{row['id']}",
        kind=TaskKind.REVIEW,
        title=f"Report: red channel {row['name']} of {row['opened_by']} is closed",
        instructions=f"Opened at {row['opened_at']:%Y-%m-%d %H:%M}Z: {row['reason']}. Closed by {by}: {reason}. "
        f"{report_text(report)}",
    )
    await require_task(tx, new, actor=by, cause=f"red channel {row['id']}", at=at)
    return report


def _stated(policy: Policy, name: str) -> RedChannel:
    stated = policy.red_channels.get(name)
    if stated is None:
        known = ", ".join(sorted(policy.red_channels)) or "none"
        raise NotKnown(f"policy {policy.version!r} has no red channel {name!r}", hint=f"Known are: {known}.")
    return stated


def _given(reason: str) -> str:
    if not reason.strip():
        raise InvalidInput("a reason is needed: it is kept with the channel", hint="Write why.")
    return reason.strip()


def _check_end(name: str, stated: RedChannel, ends_at: datetime, at: datetime) -> None:
    if ends_at <= at:
        raise InvalidInput(f"the end {ends_at:%Y-%m-%d %H:%M}Z is past", hint="Name one in the future.")
    latest = at + timedelta(hours=stated.max_hours)
    if ends_at > latest:
        raise InvalidInput(
            f"red channel {name!r} may be open for {stated.max_hours} hours, until {latest:%Y-%m-%d %H:%M}Z, not until "
            f"{ends_at:%Y-%m-%d %H:%M}Z",
            hint="Name a sooner end, and extend it when that comes.",
        )


async def _narrowed(tx: Transaction, name: str, stated: RedChannel, scope: Scope) -> dict[str, list[Any]]:
    given = {key: sorted(set(values)) for key, values in scope.items() if values}
    allowed = ", ".join(key.value for key in stated.scope)
    foreign = sorted(key.value for key in given if key not in stated.scope)
    if foreign or not given:
        what = f"cannot be narrowed to {', '.join(foreign)}" if foreign else "is not narrowed to anything"
        raise InvalidInput(f"red channel {name!r} {what}", hint=f"Name at least one of: {allowed}.")
    products, sites = given.get(ScopeKey.PRODUCTS, []), given.get(ScopeKey.SITES, [])
    known_products, known_sites = await known_ids(tx, products=products, sites=sites)
    for what, ids, known in (("product", products, known_products), ("site", sites, known_sites)):
        missing = [str(number) for number in ids if number not in known]
        if missing:
            raise NotKnown(f"there is no {what} with id {', '.join(missing)}")
    return {key.value: values for key, values in given.items()}
