"""SANDBOX: the tickets, transactions and attachments that the sandbox of Request Tracker keeps.

In memory; with a path also in a JSON file, from which the next start resumes.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from connector.sdk import Clock

NEVER = "1970-01-01T00:00:00Z"
ACTIVE = ("new", "open", "stalled")
INACTIVE = ("resolved", "rejected", "deleted")

BACK = {"MemberOf": "Members", "DependsOn": "DependedOnBy", "RefersTo": "ReferredToBy"}
"""Links by the names that the other ticket has for them."""
REFS = {
    "MemberOf": "parent", "Members": "child", "DependsOn": "depends-on", "DependedOnBy": "depended-on-by",
    "RefersTo": "refers-to", "ReferredToBy": "referred-to-by",
}  # fmt: skip
"""Links by what a hyperlink calls them."""


@dataclass
class FieldDefinition:
    """A custom field of tickets. choices: the only values that it takes; None means free text."""

    name: str
    is_multiple: bool = False
    choices: tuple[str, ...] | None = None


FIELDS = (
    FieldDefinition("Asset Tag"),
    FieldDefinition("Serial Number"),
    FieldDefinition("Site"),
    FieldDefinition("Hub Priority", choices=("P1", "P2", "P3", "P4")),
    FieldDefinition("External Id"),
    FieldDefinition("Duplicate Of"),
    FieldDefinition("Tracking Number", is_multiple=True),
    FieldDefinition("Part Number"),
    FieldDefinition("Carrier"),
    FieldDefinition("Delivered Serials", is_multiple=True),
)


@dataclass
class SandboxTicket:
    """A ticket. links: name of the link and number of the other ticket, as this one has it. extra: columns of a later
    release. Times as Request Tracker writes them.
    """

    id: int
    queue: str
    subject: str
    status: str
    created: str
    last_updated: str
    priority: int = 0
    resolved: str = NEVER
    due: str = NEVER
    owner: str = "Nobody"
    requestors: list[str] = field(default_factory=list)
    fields: dict[str, list[str]] = field(default_factory=dict)
    merged_into: int | None = None
    links: list[list[str]] = field(default_factory=list)
    extra: dict[str, Any] = field(default_factory=dict)


@dataclass
class Transaction:
    """One change of a ticket. ticket: 0 where it cannot be told."""

    id: int
    ticket: int
    type: str
    created: str
    creator: str
    field: str = ""
    old: str = ""
    new: str = ""


@dataclass
class Attachment:
    """A text that was written on a ticket."""

    id: int
    transaction: int
    ticket: int
    created: str
    content: str
    content_type: str = "text/plain"


class Refusal(Exception):  # noqa: N818 - an answer of the sandbox, not a failure
    """The sandbox refuses a request. status: of HTTP."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Desk:
    """Tickets and what happened to them. Ids of all kinds are given in one order of time."""

    def __init__(
        self,
        clock: Clock,
        *,
        queues: Sequence[str] = ("Hardware",),
        fields: Iterable[FieldDefinition] = FIELDS,
        statuses: Sequence[str] = ACTIVE + INACTIVE,
        path: Path | None = None,
    ) -> None:
        self._clock = clock
        self._path = path
        self.queues = tuple(queues)
        self.fields = {definition.name: definition for definition in fields}
        self.statuses = tuple(statuses)
        self.tickets: dict[int, SandboxTicket] = {}
        self.transactions: list[Transaction] = []
        self.attachments: list[Attachment] = []
        self._fresh: list[Transaction] = []
        if path and path.exists():
            self._load(json.loads(path.read_text()))

    def visible(self) -> list[SandboxTicket]:
        """Tickets that a search can find: neither deleted nor merged into another."""
        return [t for t in self.tickets.values() if t.status != "deleted" and t.merged_into is None]

    def find(self, number: int) -> SandboxTicket | None:
        """The ticket of this number, or the one that it was merged into."""
        ticket = self.tickets.get(number)
        while ticket and ticket.merged_into:
            ticket = self.tickets.get(ticket.merged_into)
        return ticket

    def history(self, ticket: SandboxTicket) -> list[Transaction]:
        """What happened to the ticket and to those merged into it."""
        return [t for t in self.transactions if t.ticket and self.find(t.ticket) is ticket]

    def etag(self, ticket: SandboxTicket) -> str:
        """The ticket's last transaction, which is its version."""
        history = self.history(ticket)
        return f'"{history[-1].id}"' if history else f'"{ticket.last_updated}"'

    def field_id(self, name: str) -> str:
        """By which transactions name a custom field."""
        return str(list(self.fields).index(name) + 1)

    def create(self, body: dict[str, Any], by: str, at: datetime | None = None) -> SandboxTicket:
        """Open a ticket as `POST /ticket` does. Raises Refusal."""
        queue = body.get("Queue")
        if not queue:
            raise Refusal(400, "Could not create ticket. Queue not set")
        if queue not in self.queues:
            raise Refusal(403, f"No permission to create tickets in the queue '{queue}'")
        status = body.get("Status", "new")
        if status not in self.statuses:
            raise Refusal(400, f"Status '{status}' isn't a valid status for tickets in this queue.")
        now = self._now(at)
        requestors = body.get("Requestor") or []
        ticket = SandboxTicket(
            id=max(self.tickets, default=0) + 1,
            queue=queue,
            subject=str(body.get("Subject", "")),
            status=status,
            created=now,
            last_updated=now,
            priority=int(body.get("Priority") or 0),
            due=body.get("Due") or NEVER,
            owner=str(body.get("Owner") or "Nobody"),
            requestors=[requestors] if isinstance(requestors, str) else list(requestors),
        )
        self.tickets[ticket.id] = ticket
        created = self._record(ticket, "Create", by, at=at)
        if body.get("Content"):
            self._attach(created, str(body["Content"]))
        for name, value in (body.get("CustomFields") or {}).items():
            definition = self.fields.get(name)
            values = [str(each) for each in (value if isinstance(value, list) else [value]) if each]
            if definition and _fits(definition, values):
                ticket.fields[name] = values if definition.is_multiple else values[:1]
        return ticket

    def update(self, ticket: SandboxTicket, body: dict[str, Any], by: str, at: datetime | None = None) -> list[str]:
        """Change a ticket as `PUT /ticket/N` does, and say in English what came of it."""
        said: list[str] = []
        columns = (("Subject", "subject"), ("Priority", "priority"), ("Owner", "owner"), ("Due", "due"))
        for column, attribute in columns:
            if column in body and str(getattr(ticket, attribute)) != str(body[column]):
                old = getattr(ticket, attribute)
                setattr(ticket, attribute, type(old)(body[column]))
                self._record(ticket, "Set", by, column, str(old), str(body[column]), at=at)
                said.append(f"Ticket {ticket.id}: {column} changed from '{old}' to '{body[column]}'")
        if "Status" in body:
            said += self.set_status(ticket, str(body["Status"]), by, at=at)
        if "Queue" in body and body["Queue"] in self.queues and body["Queue"] != ticket.queue:
            old_queue, ticket.queue = ticket.queue, str(body["Queue"])
            self._record(ticket, "Set", by, "Queue", old_queue, ticket.queue, at=at)
            said.append(f"Ticket {ticket.id}: Queue changed from {old_queue} to {ticket.queue}")
        for name, value in (body.get("CustomFields") or {}).items():
            said += self._set_field(ticket, name, value, by, at)
        for name in REFS:
            told = body.get(f"Add{name}") or []
            for number in [told] if isinstance(told, str) else told:
                if (other := self.tickets.get(int(number))) is None:
                    said.append(f"Link could not be created: ticket {number} does not exist")
                elif [name, str(other.id)] not in ticket.links:
                    self.link(ticket, name, other, by, at)
                    said.append(f"Ticket {ticket.id} {name} Ticket {other.id}.")
        if into := self.tickets.get(int(body.get("MergeInto") or 0)):
            self.merge(ticket, into, by, at=at)
            said.append("Merge Successful")
        return said

    def set_status(self, ticket: SandboxTicket, status: str, by: str, at: datetime | None = None) -> list[str]:
        """Move a ticket. Only `root` may delete."""
        if status == ticket.status:
            return []
        if status not in self.statuses:
            return [f"Ticket {ticket.id}: Status '{status}' isn't a valid status for this ticket."]
        if status == "deleted" and by != "root":
            return [f"Ticket {ticket.id}: Permission Denied"]
        old, ticket.status = ticket.status, status
        ticket.resolved = self._now(at) if status in INACTIVE else NEVER
        self._record(ticket, "Status", by, "Status", old, status, at=at)
        if status == "deleted":
            return [f"Ticket {ticket.id}: Ticket deleted"]
        return [f"Ticket {ticket.id}: Status changed from '{old}' to '{status}'"]

    def link(self, ticket: SandboxTicket, name: str, other: SandboxTicket, by: str, at: datetime | None = None) -> None:
        """Link a ticket to another: `MemberOf`, `DependsOn` or `RefersTo`; both tell of it."""
        for each, there, way in ((ticket, other, name), (other, ticket, BACK[name])):
            each.links.append([way, str(there.id)])
            self._record(each, "AddLink", by, way, "", f"fsck.com-rt://sandbox/ticket/{there.id}", at=at)

    def unlink(
        self, ticket: SandboxTicket, name: str, other: SandboxTicket, by: str, at: datetime | None = None
    ) -> None:
        """Take a link back; both tell of it."""
        for each, there, way in ((ticket, other, name), (other, ticket, BACK[name])):
            each.links.remove([way, str(there.id)])
            self._record(each, "DeleteLink", by, way, f"fsck.com-rt://sandbox/ticket/{there.id}", "", at=at)

    def merge(self, ticket: SandboxTicket, into: SandboxTicket, by: str, at: datetime | None = None) -> None:
        """Make a ticket part of another; both tell of it."""
        for each in (ticket, into):
            self._record(each, "AddLink", by, "MergedInto", "", f"fsck.com-rt://sandbox/ticket/{into.id}", at=at)
        ticket.merged_into = into.id

    def write(self, ticket: SandboxTicket, kind: str, text: str, by: str, at: datetime | None = None) -> Transaction:
        """Write a text on a ticket: `Comment` or `Correspond`."""
        transaction = self._record(ticket, kind, by, at=at)
        if text:
            self._attach(transaction, text)
        return transaction

    def take_fresh(self) -> list[Transaction]:
        """The transactions since the last call, one webhook each; the file is written now."""
        fresh, self._fresh = self._fresh, []
        if fresh:
            self.save()
        return fresh

    def save(self) -> None:
        """Write everything to the file, if there is one."""
        if self._path:
            kept = {
                name: [asdict(each) for each in rows]
                for name, rows in (
                    ("tickets", self.tickets.values()),
                    ("transactions", self.transactions),
                    ("attachments", self.attachments),
                )
            }
            partial = self._path.with_suffix(".part")
            partial.write_text(json.dumps(kept))
            os.replace(partial, self._path)

    def _load(self, kept: dict[str, Any]) -> None:
        self.tickets = {row["id"]: SandboxTicket(**row) for row in kept["tickets"]}
        self.transactions = [Transaction(**row) for row in kept["transactions"]]
        self.attachments = [Attachment(**row) for row in kept["attachments"]]

    def _set_field(self, ticket: SandboxTicket, name: str, value: Any, by: str, at: datetime | None) -> list[str]:
        definition = self.fields.get(name)
        if definition is None:
            return []
        values = [str(each) for each in (value if isinstance(value, list) else [value]) if each is not None]
        old = ticket.fields.get(name, [])
        if not _fits(definition, values):
            return ["Invalid value for custom field"]
        if not definition.is_multiple:
            values = values[:1]
        added, removed = [v for v in values if v not in old], [v for v in old if v not in values]
        if not added and not removed:
            return []
        ticket.fields[name] = values
        said: list[str] = []
        if definition.is_multiple:
            for each in added:
                self._record(ticket, "CustomField", by, self.field_id(name), "", each, at=at)
                said.append(f"{each} added as a value for {name}")
            for each in removed:
                self._record(ticket, "CustomField", by, self.field_id(name), each, "", at=at)
                said.append(f"{each} is no longer a value for custom field {name}")
            return said
        before, after = "".join(old), "".join(values)
        self._record(ticket, "CustomField", by, self.field_id(name), before, after, at=at)
        if not after:
            return [f"{before} is no longer a value for custom field {name}"]
        return [f"{name} {before} changed to {after}" if before else f"{name} {after} added"]

    def _record(
        self, ticket: SandboxTicket, kind: str, by: str, field: str = "", old: str = "", new: str = "", *,
        at: datetime | None = None,
    ) -> Transaction:  # fmt: skip
        now = self._now(at)
        number = self.transactions[-1].id + 1 if self.transactions else 1
        transaction = Transaction(number, ticket.id, kind, now, by, field, old, new)
        self.transactions.append(transaction)
        self._fresh.append(transaction)
        ticket.last_updated = now
        return transaction

    def _attach(self, transaction: Transaction, text: str) -> None:
        number = self.attachments[-1].id + 1 if self.attachments else 1
        self.attachments.append(Attachment(number, transaction.id, transaction.ticket, transaction.created, text))

    def _now(self, at: datetime | None) -> str:
        return (at or self._clock.now()).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _fits(definition: FieldDefinition, values: list[str]) -> bool:
    return definition.choices is None or all(value in definition.choices for value in values)
