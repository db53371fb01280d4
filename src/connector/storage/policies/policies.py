"""Versions of policies and their activation. Texts are only added, and activations only appended.

Activating is one transaction: the text is kept, its tests have passed, its service classes are those of the database,
and the activation is there, or nothing of it is.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import Row, Select, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from connector.model.errors import IllegalTransition, NotKnown, StaleWrite
from connector.model.kinds import ActivationKind
from connector.model.refs import EntityKind
from connector.rules.checks.policy_tests import PolicyTestsFailed, run_tests
from connector.rules.policy.reading import Policy, read_policy
from connector.storage.database.changes import Fields, NewChange, Operation, log_changes
from connector.storage.policies.active import active_activation
from connector.storage.policies.service_classes import keep_service_classes
from connector.storage.tables import policy as policy_table
from connector.storage.tables import policy_activation

ACTIVATION_LOCK = 0x504F4C43
"""Key of the advisory lock that makes activations one at a time on PostgreSQL."""


@dataclass(frozen=True, slots=True)
class PolicyVersion:
    """A version of a policy. activated_at, activated_by: when it last became active; None when it never did."""

    id: int
    version: str
    text: str
    author: str
    comment: str | None
    created_at: datetime
    activated_at: datetime | None
    activated_by: str | None
    is_active: bool


@dataclass(frozen=True, slots=True)
class Activation:
    """A policy is active. previous: version that was active before. is_new: False when it was active already."""

    policy_id: int
    version: str
    previous: str | None
    is_new: bool


@dataclass(frozen=True, slots=True)
class _Standing:
    """The activation that counts."""

    id: int
    previous_id: int | None
    kind: ActivationKind
    policy_id: int
    version: str
    text: str


async def activate_policy(
    tx: AsyncConnection,
    text: str,
    *,
    author: str,
    at: datetime,
    comment: str | None = None,
    forced_because: str | None = None,
    kind: ActivationKind = ActivationKind.CHOICE,
    source: str | None = None,
) -> Activation:
    """Make a policy the active one; it is kept when its version is new. The active one again changes nothing.

    forced_because: activates it although tests in the document fail, and is recorded. source: what messages call it.
    Raises InvalidPolicy, PolicyTestsFailed.
    """
    policy = read_policy(text, source=source)
    _require_passing(policy, forced_because)
    await _lock(tx)
    before = await _standing(tx)
    if before is not None and before.version == policy.version:
        return Activation(before.policy_id, before.version, before.version, is_new=False)
    policy_id = await keep_policy(tx, policy, text, author=author, comment=comment, at=at)
    await _append(
        tx, policy, policy_id, before, previous_id=before.id if before else None, kind=kind, author=author,
        comment=comment, forced_because=forced_because, at=at,
    )  # fmt: skip
    return Activation(policy_id, policy.version, before.version if before else None, is_new=True)


async def rollback_policy(
    tx: AsyncConnection, *, author: str, at: datetime, comment: str | None = None, expected: str | None = None
) -> Activation:
    """Make the policy active again that was active before; once more goes one further back.

    expected: version that must be the active one, so that the same request twice does not go back twice.
    Its tests are not asked: it was in use. Raises StaleWrite, IllegalTransition when there is none to go back to,
    InvalidPolicy when this version of the hub cannot use it any more.
    """
    await _lock(tx)
    current = await _standing(tx)
    if expected is not None and (current is None or current.version != expected):
        found = f"it is {current.version!r}" if current else "none is"
        raise StaleWrite(f"policy {expected!r} is not the active one: {found}", hint="Look again before going back.")
    target = None
    if current is not None and current.previous_id is not None:
        target = await _standing(tx, current.previous_id)
    if current is None or target is None:
        raise IllegalTransition(
            "there is no policy to go back to: no other was active before",
            hint="connector policy list shows every version; activate one by its name.",
        )
    policy = read_policy(target.text, source=target.version)
    await _append(
        tx, policy, target.policy_id, current, previous_id=target.previous_id, kind=ActivationKind.ROLLBACK,
        author=author, comment=comment, forced_because=None, at=at,
    )  # fmt: skip
    return Activation(target.policy_id, target.version, current.version, is_new=True)


async def keep_policy(
    tx: AsyncConnection, policy: Policy, text: str, *, author: str, comment: str | None, at: datetime
) -> int:
    """Keep a version, when it is new; returns its id."""
    table = policy_table
    known = (await tx.execute(select(table.c.id).where(table.c.version == policy.version))).scalar_one_or_none()
    if known is not None:
        return int(known)
    values = {"version": policy.version, "name": policy.name, "author": author, "comment": comment}
    made = await tx.execute(insert(table).values(**values, text=text, created_at=at).returning(table.c.id))
    policy_id = int(made.scalar_one())
    fields = {name: (None, value) for name, value in values.items() if value is not None}
    await _log(tx, policy_id, "created", fields, actor=author, cause=comment, at=at)
    return policy_id


async def take_in_policy(
    tx: AsyncConnection, text: str, *, source: str, author: str, at: datetime
) -> Activation | None:
    """Take in the policy that the configuration names, at a start; returns what is active then.

    It becomes the active one as long as nobody has chosen another: when none is active, or the active one came in the
    same way. Else it is only kept. Raises InvalidPolicy, PolicyTestsFailed; None when it is only kept.
    """
    await _lock(tx)
    current = await _standing(tx)
    if current is not None and current.text == text:
        return Activation(current.policy_id, current.version, current.version, is_new=False)
    comment = f"from {source}"
    if current is None or current.kind is ActivationKind.START:
        return await activate_policy(
            tx, text, author=author, at=at, comment=comment, kind=ActivationKind.START, source=source
        )
    await keep_policy(tx, read_policy(text, source=source), text, author=author, comment=comment, at=at)
    return None


async def active_policy_text(tx: AsyncConnection) -> str | None:
    """The text of the active policy; None when there is none."""
    standing = await _standing(tx)
    return None if standing is None else standing.text


async def list_policies(tx: AsyncConnection) -> list[PolicyVersion]:
    """All versions, the newest first."""
    return [_version(row) for row in (await tx.execute(_VERSIONS.order_by(policy_table.c.id.desc()))).all()]


async def policy_version(tx: AsyncConnection, version: str | None) -> PolicyVersion:
    """A version by its name, or by the beginning of it or of its hash; the active one for None. Raises NotKnown."""
    versions = {item.version: item for item in await list_policies(tx)}
    found = [
        item for item in versions.values() if (item.is_active if version is None else _is_meant(item.version, version))
    ]
    if len(found) == 1:
        return found[0]
    if version is None:
        raise NotKnown("no policy is active", hint="Activate one: connector policy activate FILE.")
    known = ", ".join(versions) or "none"
    what = "more than one policy" if found else "no policy"
    raise NotKnown(f"there is {what} {version!r}", hint=f"Known are: {known}.")


def _is_meant(version: str, text: str) -> bool:
    return version == text or (
        len(text) >= 4 and (version.startswith(text) or version.partition("@")[2].startswith(text))
    )


_newest = (
    select(func.max(policy_activation.c.id))
    .where(policy_activation.c.policy_id == policy_table.c.id)
    .correlate(policy_table)
    .scalar_subquery()
)
_VERSIONS = select(
    policy_table,
    policy_activation.c.activated_at,
    policy_activation.c.activated_by,
    (policy_activation.c.id == active_activation).label("is_active"),
).outerjoin(policy_activation, policy_activation.c.id == _newest)


def _require_passing(policy: Policy, forced_because: str | None) -> None:
    failed = [result for result in run_tests(policy) if not result.has_passed]
    if failed and forced_because is None:
        raise PolicyTestsFailed(policy.version, failed)


async def _lock(tx: AsyncConnection) -> None:
    if tx.dialect.name == "postgresql":  # SQLite has one writer, and this is it
        await tx.execute(select(func.pg_advisory_xact_lock(ACTIVATION_LOCK)))


async def _standing(tx: AsyncConnection, activation_id: int | None = None) -> _Standing | None:
    table = policy_activation
    statement: Select[tuple[int, int | None, ActivationKind, int, str, str]] = (
        select(table.c.id, table.c.previous_id, table.c.kind, table.c.policy_id, policy_table.c.version,
               policy_table.c.text)
        .join(policy_table, policy_table.c.id == table.c.policy_id)
        .order_by(table.c.id.desc()).limit(1)
    )  # fmt: skip
    if activation_id is not None:
        statement = statement.where(table.c.id == activation_id)
    row = (await tx.execute(statement)).one_or_none()
    if row is None:
        return None
    return _Standing(row.id, row.previous_id, row.kind, row.policy_id, row.version, row.text)


async def _append(
    tx: AsyncConnection,
    policy: Policy,
    policy_id: int,
    before: _Standing | None,
    *,
    previous_id: int | None,
    kind: ActivationKind,
    author: str,
    comment: str | None,
    forced_because: str | None,
    at: datetime,
) -> None:
    values = {"policy_id": policy_id, "previous_id": previous_id, "kind": kind, "activated_by": author}
    more = {"activated_at": at, "comment": comment, "forced_because": forced_because}
    await tx.execute(insert(policy_activation).values(**values, **more))
    if before is not None:
        await _log(tx, before.policy_id, "updated", {"is_active": (True, False)}, actor=author, cause=comment, at=at)
    await _log(tx, policy_id, "updated", {"is_active": (False, True)}, actor=author, cause=comment, at=at)
    await keep_service_classes(tx, policy, at=at, actor=author)


async def _log(
    tx: AsyncConnection, policy_id: int, operation: Operation, fields: Fields, *, actor: str, cause: str | None,
    at: datetime,
) -> None:  # fmt: skip
    change = NewChange(EntityKind.POLICY, policy_id, operation, fields)
    await log_changes(tx, [change], actor=actor, cause=cause, at=at)


def _version(row: Row[Any]) -> PolicyVersion:
    return PolicyVersion(
        row.id, row.version, row.text, row.author, row.comment, row.created_at, row.activated_at, row.activated_by,
        bool(row.is_active),
    )  # fmt: skip
