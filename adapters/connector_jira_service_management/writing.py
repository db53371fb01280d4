"""Writes on issues so that each operation takes effect once, and finds out whether it did.

A comment carries its key as a property of its own. A change of an issue sets a property in the same request, so that
it is known to have happened even when somebody changed the issue again since. Neither is seen by people.
"""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

from pydantic import Field, ValidationError

from connector.sdk import AddNote, Invalid, Receipt, SetTicketFields, SetTicketState, UnexpectedResponse
from connector.sdk.cursors import read_instant
from connector_jira_service_management.adf import document
from connector_jira_service_management.client import JiraClient
from connector_jira_service_management.config import JiraServiceManagementConfig
from connector_jira_service_management.field_values import EditableField, NotWritable, holds, value_of
from connector_jira_service_management.linking import LINKS, WantedLink, missing_links, wanted_links, ways_of
from connector_jira_service_management.mapping import Theirs
from connector_jira_service_management.refusals import named, refused

Write: TypeAlias = AddNote | SetTicketState | SetTicketFields

NOTE_KEY = "connector.key"
"""Property of a comment that holds the key of the operation that wrote it."""
PUBLIC = "sd.public.comment"
"""Property by which Jira Service Management keeps a comment from its customers; without it they see every one."""


class _Category(Theirs):
    key: str | None = None


class _Status(Theirs):
    name: str
    category: _Category | None = Field(default=None, alias="statusCategory")

    @property
    def category_key(self) -> str | None:
        return self.category.key if self.category else None


class _Transition(Theirs):
    id: str
    to: _Status
    fields: dict[str, Any] = Field(default_factory=dict)


def mark(key: str) -> str:
    """The property of an issue that stands for the change with this key: keys may hold what a name may not."""
    return f"connector.{hashlib.sha256(key.encode()).hexdigest()[:32]}"


class TicketWriter:
    """Comments, states and fields of issues."""

    def __init__(self, config: JiraServiceManagementConfig, client: JiraClient) -> None:
        self._config = config
        self._client = client

    async def push(self, op: Write) -> Receipt:
        """Do it once per key. Raises Invalid naming the field that Jira refuses."""
        try:
            match op:
                case AddNote():
                    return await self._find_note(op) or await self._add_note(op)
                case SetTicketState():
                    return await self._set_state(op)
                case SetTicketFields():
                    return await self._set_fields(op)
        except Invalid as error:
            if error.fields:
                raise
            raise named(error) from error

    async def find(self, op: Write) -> Receipt | None:
        """The receipt when the operation's effect is there."""
        match op:
            case AddNote():
                return await self._find_note(op)
            case SetTicketState():
                issue = await self._client.issue(op.ticket, "find state", fields=["status"], marks=[mark(op.key)])
                return _receipt(op) if _is_marked(issue, op) or self._is_reached(issue, op) else None
            case SetTicketFields():
                return await self._find_fields(op)

    async def _find_note(self, op: AddNote) -> Receipt | None:
        start = 0
        while True:
            comments, has_more = await self._client.comments(op.ticket, start)
            for comment in comments:
                if _property(comment, NOTE_KEY) == {"key": op.key}:
                    return _note_receipt(op, comment)
            if not has_more:
                return None
            start += len(comments)

    async def _add_note(self, op: AddNote) -> Receipt:
        properties = [
            {"key": NOTE_KEY, "value": {"key": op.key}},
            {"key": PUBLIC, "value": {"internal": not op.is_public}},
        ]
        made = await self._client.add_comment(op.ticket, {"body": document(op.body), "properties": properties})
        return _note_receipt(op, made)

    async def _set_state(self, op: SetTicketState) -> Receipt:
        issue = await self._client.issue(op.ticket, "set state", fields=["status"], marks=[mark(op.key)])
        if _is_marked(issue, op) or self._is_reached(issue, op):
            return _receipt(op)
        way = self._way_to(op, await self._client.transitions(op.ticket))
        change: dict[str, object] = {"transition": {"id": way.id}, "properties": [_marking(op)]}
        resolution = self._config.resolution_for(op.state)
        if "resolution" in way.fields and resolution is not None:
            change["fields"] = {"resolution": {"name": resolution}}
        await self._client.transition(op.ticket, change)
        return _receipt(op)

    def _way_to(self, op: SetTicketState, found: list[Any]) -> _Transition:
        """The first transition that leads where the state is. Raises Invalid when none does."""
        ways = [_Transition.model_validate(each) for each in found if _is_readable(each)]
        for way in ways:
            if self._config.is_reached(op.state, way.to.name, way.to.category_key):
                return way
        targets = ", ".join(sorted({repr(way.to.name) for way in ways})) or "nowhere"
        raise refused(
            "set state",
            op.ticket,
            {"status": f"no transition leads to a status that means {op.state.value}; it can go to {targets}"},
            "Name the status in the setting `statuses`, or what statuses mean in `states`; a transition may also be "
            "missing in the workflow, or the permission Transition Issues.",
        )

    def _is_reached(self, issue: dict[str, Any], op: SetTicketState) -> bool:
        status = _status(issue)
        return self._config.is_reached(op.state, status.name, status.category_key)

    async def _find_fields(self, op: SetTicketFields) -> Receipt | None:
        issue = await self._client.issue(op.ticket, "find fields", fields=["status"], marks=[mark(op.key)])
        if _is_marked(issue, op):
            return _receipt(op)
        try:
            wanted, _, links = await self._wanted(op, "find fields")
        except Invalid:
            return None  # what cannot be written was not written
        issue = await self._client.issue(op.ticket, "find fields", fields=_asked(wanted, links))
        return _receipt(op) if not _different(wanted, issue) and not missing_links(links, issue) else None

    async def _set_fields(self, op: SetTicketFields) -> Receipt:
        wanted, names, links = await self._wanted(op, "set fields")
        asked = _asked(wanted, links)
        issue = await self._client.issue(op.ticket, "set fields", fields=asked, marks=[mark(op.key)])
        changes, missing = _different(wanted, issue), missing_links(links, issue)
        if _is_marked(issue, op) or not (changes or missing):
            return _receipt(op)
        change: dict[str, object] = {"fields": changes, "properties": [_marking(op)]}
        if missing:
            change["update"] = {LINKS: [each.added() for each in missing]}
            names = {**names, LINKS: ", ".join(sorted({each.says for each in missing}))}
        try:
            await self._client.edit(op.ticket, change)
        except Invalid as error:
            raise named(error, names) from error
        return _receipt(op)

    async def _wanted(
        self, op: SetTicketFields, operation: str
    ) -> tuple[dict[str, Any], dict[str, str], list[WantedLink]]:
        """Identifier of each field -> its value, and -> its name in the operation; and links. Raises Invalid."""
        editable = await self._client.editable(op.ticket, operation)
        ways: dict[str, tuple[str, str]] | None = None
        links: list[WantedLink] = []
        wanted: dict[str, Any] = {}
        names: dict[str, str] = {}
        problems: dict[str, str] = {}
        for name, text in op.fields.items():
            try:
                if LINKS in editable and not _is_field(editable, name):
                    ways = ways_of(await self._client.link_types(operation)) if ways is None else ways
                    if name.casefold() in ways:
                        links += wanted_links(name, text, ways)
                        continue
                identifier, field = _field(editable, name)
                if field.is_user and "@" in text:
                    text = await self._account(op, text.strip())
                wanted[identifier], names[identifier] = value_of(field, text), name
            except NotWritable as error:
                problems[name] = str(error)
        if problems:
            raise refused(
                operation, op.ticket, problems,
                "Check the fields' names and values; a field must be on the screen on which the issue is edited.",
            )  # fmt: skip
        return wanted, names, links

    async def _account(self, op: SetTicketFields, email: str) -> str:
        """The account with an e-mail address that may have the issue. Raises NotWritable."""
        found = await self._client.assignable(op.ticket, email)
        if len(found) != 1:
            raise NotWritable(f"{email!r} finds {len(found) or 'no'} accounts that may have the issue, one is needed")
        return found[0]


def _field(editable: dict[str, Any], name: str) -> tuple[str, EditableField]:
    """The field with a name or an identifier. Raises NotWritable when there is none, or several have the name."""
    fields: dict[str, EditableField] = {}
    for identifier, body in editable.items():
        try:
            fields[identifier] = EditableField.model_validate(body)
        except ValidationError:
            continue  # a field that does not say its type cannot be written
    if name in fields:
        return name, fields[name]
    found = [(key, field) for key, field in fields.items() if field.name.casefold() == name.casefold()]
    if len(found) == 1:
        return found[0]
    if found:
        raise NotWritable(f"several fields have this name, give one of {', '.join(key for key, _ in found)}")
    raise NotWritable("the issue has no such field that can be edited")


def _is_field(editable: dict[str, Any], name: str) -> bool:
    try:
        _field(editable, name)
    except NotWritable:
        return False
    return True


def _asked(wanted: dict[str, Any], links: list[WantedLink]) -> list[str]:
    """The fields of the issue that tell whether all is so."""
    return [*wanted, *([LINKS] if links else [])]


def _different(wanted: dict[str, Any], issue: dict[str, Any]) -> dict[str, Any]:
    """The values that the issue does not have."""
    there = issue.get("fields")
    there = there if isinstance(there, dict) else {}
    return {key: value for key, value in wanted.items() if not holds(value, there.get(key))}


def _is_readable(transition: object) -> bool:
    try:
        _Transition.model_validate(transition)
    except ValidationError:
        return False
    return True


def _status(issue: dict[str, Any]) -> _Status:
    fields = issue.get("fields")
    try:
        return _Status.model_validate(fields.get("status") if isinstance(fields, dict) else None)
    except ValidationError:
        raise UnexpectedResponse(
            "an issue has no status", operation="read ticket", hint="Check the API version in the adapter's README."
        ) from None


def _marking(op: SetTicketState | SetTicketFields) -> dict[str, object]:
    return {"key": mark(op.key), "value": {"key": op.key}}


def _is_marked(issue: dict[str, Any], op: SetTicketState | SetTicketFields) -> bool:
    properties = issue.get("properties")
    return isinstance(properties, dict) and properties.get(mark(op.key)) == {"key": op.key}


def _property(comment: dict[str, Any], key: str) -> object:
    properties = comment.get("properties")
    found = properties if isinstance(properties, list) else []
    return next((each.get("value") for each in found if isinstance(each, dict) and each.get("key") == key), None)


def _note_receipt(op: AddNote, comment: dict[str, Any]) -> Receipt:
    external_id, told = comment.get("id"), comment.get("created")
    if not isinstance(external_id, str | int):
        raise UnexpectedResponse("a comment has no id", operation="add note", ref=op.ticket)
    try:
        at = read_instant(told) if isinstance(told, str) else None
    except ValueError:
        at = None
    return Receipt(key=op.key, external_id=str(external_id), at=at)


def _receipt(op: SetTicketState | SetTicketFields) -> Receipt:
    """A change makes nothing of its own; the issue stands for it."""
    return Receipt(key=op.key, external_id=op.ticket.external_id)
