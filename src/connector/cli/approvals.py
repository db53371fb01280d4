"""`connector approvals`: what waits for a yes, and answering it."""

from __future__ import annotations

import getpass
import uuid
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Annotated, TypeVar

import typer

from connector.cli.configured import AsJson, Config, with_hub
from connector.cli.output import console, fail, print_json, print_table
from connector.fulfilment.approvals import Answered, Approvals, holders_of
from connector.fulfilment.work import Work
from connector.hub import Hub, fulfilment_options, roles_by_key
from connector.model.errors import InvalidInput
from connector.model.kinds import Verdict
from connector.model.lifecycle import ApprovalState
from connector.model.principals import Principal, at_the_command_line
from connector.storage.approvals.approvals import ApprovalRow
from connector.storage.approvals.delegations import ListedDelegation, list_delegations
from connector.storage.approvals.lists import Answer, ListedApproval, list_approvals, show_approval
from connector.storage.database.engine import reading

approvals = typer.Typer(help="Approvals: list, show, approve, reject, delegate.", no_args_is_help=True)

Number = Annotated[int, typer.Argument(help="Id of the request, as `list` shows it.")]
Key = Annotated[str | None, typer.Option(help="Idempotency key; made up when left out.")]
ResultT = TypeVar("ResultT")


def whoever_types() -> Principal:
    """The account that has the database in hand."""
    return at_the_command_line(getpass.getuser())


@approvals.command("list")
def list_all(
    every: Annotated[bool, typer.Option("--all", help="Settled ones too, the newest first.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List what waits for an answer, the most urgent first."""

    async def read(hub: Hub) -> list[ListedApproval]:
        async with reading(hub.database) as tx:
            return await list_approvals(tx, state=None if every else ApprovalState.PENDING)

    found = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json([{name: getattr(item, name) for name in ListedApproval.__slots__} for item in found])
        return
    rows = [
        {
            "id": item.id,
            "approval": item.name,
            "what": item.title,
            "yes": f"{item.given}/{item.needed}",
            "until": item.deadline_at,
            "state": item.state.value if every else None,
        }
        for item in found
    ]
    print_table("Approvals", rows, empty="Nothing waits for an approval.")


@approvals.command()
def show(number: Number, config: Config = None, as_json: AsJson = False) -> None:
    """Show one request: who may answer it, until when, and who has."""

    async def read(hub: Hub) -> tuple[ApprovalRow, list[Answer], datetime]:
        async with reading(hub.database) as tx:
            return (*await show_approval(tx, number), hub.clock.now())

    row, answers, now = with_hub(config, read, as_json=as_json)
    votes = [{name: getattr(answer, name) for name in Answer.__slots__} for answer in answers]
    if as_json:
        kept = {name: getattr(row, name) for name in ApprovalRow.__slots__ if name != "widenings"}
        print_json({**kept, "may_answer": list(row.roles_at(now)), "votes": votes})
        return
    _say(f"{row.id}  {row.name}: {row.state.value}")
    _say(row.title)
    if row.details:
        _say(row.details)
    who = ", ".join(row.roles_at(now))
    _say(f"asked by {row.requested_by}; {row.needed} of {who} until {row.deadline_at:%F %H:%M}Z")
    for step in row.widenings:
        _say(f"from {step.at:%F %H:%M}Z also {', '.join(step.roles)}")
    for answer in answers:
        whose = "" if answer.voter == answer.on_behalf_of else f" for {answer.on_behalf_of}"
        _say(f"{answer.verdict} by {answer.voter}{whose}{f': {answer.reason}' if answer.reason else ''}")
    if row.decided_at is not None:
        _say(f"{row.state.value} at {row.decided_at:%F %H:%M}Z by {row.decided_by}: {row.reason or 'no reason given'}")


@approvals.command()
def approve(
    number: Number,
    reason: Annotated[str | None, typer.Option(help="Why, for the record.")] = None,
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say yes to a request."""
    _answer(number, Verdict.APPROVE, reason, key, config, as_json=as_json)


@approvals.command()
def reject(
    number: Number,
    reason: Annotated[str, typer.Option(help="Why; told to the ticket.")],
    key: Key = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Say no to a request."""
    _answer(number, Verdict.REJECT, reason, key, config, as_json=as_json)


@approvals.command()
def delegate(
    to: Annotated[str, typer.Option(help="Name of the key of whoever is to answer.")],
    until: Annotated[str, typer.Option(help="Until when, with its zone: 2026-12-01T18:00Z.")],
    reason: Annotated[str, typer.Option(help="Why, for the record.")],
    of: Annotated[str | None, typer.Option("--of", help="In whose place: name of a key; one's own by default.")] = None,
    role: Annotated[list[str] | None, typer.Option(help="Role to pass on; all of theirs by default.")] = None,
    since: Annotated[str | None, typer.Option(help="From when on; now by default.")] = None,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Let somebody answer requests in the place of another, for a time."""
    ends, begins = _instant(until, as_json=as_json), _instant(since, as_json=as_json) if since else None
    if ends is None:
        return

    async def do(desk: Approvals) -> int:
        roles = tuple(role) if role else None
        return await desk.delegate(
            by=whoever_types(),
            to=to,
            roles=roles,
            until=ends,
            since=begins,
            reason=reason,
            of=of,
            key=uuid.uuid4().hex,
        )

    number = _at_the_desk(config, do, as_json=as_json)
    if as_json:
        print_json({"id": number})
    else:
        _say(f"Delegation {number}: {to} answers for {of or whoever_types().name} until {ends:%F %H:%M %Z}.")


@approvals.command("delegations")
def list_all_delegations(
    every: Annotated[bool, typer.Option("--all", help="Those that are over too, the newest first.")] = False,
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """List who may answer for whom, the first to end first."""

    async def read(hub: Hub) -> list[ListedDelegation]:
        async with reading(hub.database) as tx:
            return await list_delegations(tx, None if every else hub.clock.now())

    found = with_hub(config, read, as_json=as_json)
    if as_json:
        print_json([{name: getattr(item, name) for name in ListedDelegation.__slots__} for item in found])
        return
    rows = [
        {
            "id": item.id,
            "who": item.delegate,
            "for": item.delegator,
            "roles": ", ".join(item.roles),
            "from": item.starts_at,
            "until": item.ends_at,
            "reason": item.reason,
        }
        for item in found
    ]
    print_table("Delegations", rows, empty="Nobody answers for anybody else.")


@approvals.command("end-delegation")
def end(
    number: Annotated[int, typer.Argument(help="Id of the delegation, as `delegations` shows it.")],
    config: Config = None,
    as_json: AsJson = False,
) -> None:
    """Take a delegation back before its time."""

    async def do(desk: Approvals) -> None:
        await desk.end_delegation(number, by=whoever_types(), key=uuid.uuid4().hex)

    _at_the_desk(config, do, as_json=as_json)
    if as_json:
        print_json({"id": number, "ended": True})
    else:
        _say(f"Delegation {number} has ended.")


def _answer(
    number: int, verdict: Verdict, reason: str | None, key: str | None, config: Config, *, as_json: bool
) -> None:
    async def do(desk: Approvals) -> Answered:
        return await desk.answer(number, verdict, by=whoever_types(), reason=reason, key=key or str(uuid.uuid4()))

    done = _at_the_desk(config, do, as_json=as_json)
    if as_json:
        print_json({"id": number, "state": done.state.value, "given": done.given, "needed": done.needed})
    else:
        _say(f"Approval {number} is {done.state.value}: {done.given} of {done.needed} have approved.")


def _at_the_desk(config: Config, do: Callable[[Approvals], Awaitable[ResultT]], *, as_json: bool) -> ResultT:
    async def run(hub: Hub) -> ResultT:
        work = Work(hub.database, hub.connections, hub.clock, fulfilment_options(hub.settings))
        return await do(Approvals(work, holders_of(roles_by_key(hub.settings))))

    return with_hub(config, run, as_json=as_json)


def _instant(text: str, *, as_json: bool) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is None or found.tzinfo is None:
        fail(
            InvalidInput(f"{text!r} is no instant with a zone", hint="Write it like 2026-12-01T18:00Z."),
            as_json=as_json,
        )
    return found


def _say(text: str) -> None:
    console.print(text, markup=False, highlight=False, soft_wrap=True)
