"""SANDBOX: the issues, comments and changes that the sandbox of Jira keeps, in memory."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from connector.sdk import Clock

FIRST_ID = 10_000
LONGEST_COMMENT = 32_767
LONGEST_TEXT = 255


@dataclass(frozen=True)
class Status:
    """A status of the workflow. category: `new`, `indeterminate`, `done` or `undefined`."""

    id: str
    name: str
    category: str


STATUSES: Final = {
    status.name: status
    for status in (
        Status("1", "Open", "new"),
        Status("3", "Work in progress", "indeterminate"),
        Status("10100", "Pending", "indeterminate"),
        Status("5", "Resolved", "done"),
        Status("6", "Closed", "done"),
        Status("10101", "Frobnicated", "undefined"),
    )
}
TRANSITIONS: Final = {
    "Open": ("Work in progress", "Pending", "Resolved"),
    "Work in progress": ("Pending", "Resolved"),
    "Pending": ("Work in progress", "Resolved"),
    "Resolved": ("Closed", "Work in progress"),
    "Closed": (),
    "Frobnicated": ("Open",),
}
"""Where an issue can go; nothing leads to a status that means cancelled."""
RESOLUTIONS: Final = ("Done", "Won't Do")


@dataclass(frozen=True)
class FieldDefinition:
    """A field of issues. kind: the schema's type. choices: the only values that it takes; None means any."""

    name: str
    kind: str
    custom: str | None = None
    items: str | None = None
    choices: tuple[str, ...] | None = None


TYPES = "com.atlassian.jira.plugin.system.customfieldtypes"
CUSTOM_FIELDS: Final = {
    "customfield_10050": FieldDefinition("Asset Tag", "string", f"{TYPES}:textfield"),
    "customfield_10051": FieldDefinition("Serial Number", "string", f"{TYPES}:textfield"),
    "customfield_10053": FieldDefinition("Site", "option", f"{TYPES}:select", choices=("Hamburg", "Berlin")),
    "customfield_10054": FieldDefinition("Manufacturer", "string", f"{TYPES}:textfield"),
    "customfield_10055": FieldDefinition("Model", "string", f"{TYPES}:textfield"),
    "customfield_10057": FieldDefinition("Quantity", "number", f"{TYPES}:float"),
    "customfield_10058": FieldDefinition("Tracking Number", "string", f"{TYPES}:textfield"),
    "customfield_10059": FieldDefinition("Remark", "string", f"{TYPES}:textarea"),
    "customfield_10060": FieldDefinition("Hub Priority", "option", f"{TYPES}:select", choices=("P1", "P2", "P3", "P4")),
    "customfield_10061": FieldDefinition("Devices", "array", f"{TYPES}:labels", items="string"),
}
EDITABLE: Final = CUSTOM_FIELDS | {"assignee": FieldDefinition("Assignee", "user")}
ACCOUNTS: Final = {
    "5b10a2844c20165700ede21g": "mia@example.com",
    "5b10ac8d82e05b22cc7d4ef5": "emma@example.com",
    "712020:hub": "hub@example.com",
}
ME = "712020:hub"


@dataclass
class SandboxIssue:
    """An issue. fields: values of custom fields, as Jira keeps them. links: (type, way, other issue's id)."""

    id: str
    key: str
    project: str
    issue_type: str
    summary: str
    status: str
    created: datetime
    updated: datetime
    priority: str | None = "Medium"
    description: dict[str, Any] | None = None
    resolution: str | None = None
    resolved: datetime | None = None
    reporter: str | None = "5b10a2844c20165700ede21g"
    assignee: str | None = None
    parent: str | None = None
    links: list[tuple[str, str, str]] = field(default_factory=list)
    fields: dict[str, Any] = field(default_factory=dict)
    properties: dict[str, Any] = field(default_factory=dict)


@dataclass
class Comment:
    """A comment. properties: as they were given with it."""

    id: str
    issue: str
    body: dict[str, Any]
    created: datetime
    author: str
    properties: list[dict[str, Any]] = field(default_factory=list)

    @property
    def is_public(self) -> bool:
        """Whether customers see it; they do unless a property says otherwise."""
        told = [each["value"] for each in self.properties if each["key"] == "sd.public.comment"]
        return not (told and told[-1].get("internal"))


@dataclass(frozen=True)
class Change:
    """A line of the changelog."""

    issue: str
    field: str
    to: Any
    at: datetime


LINK_TYPES: Final = {
    "Duplicate": ("is duplicated by", "duplicates"),
    "Problem/Incident": ("is caused by", "causes"),
    "Relates": ("relates to", "relates to"),
}
"""Type of link -> what it says inward and outward."""


class Refusal(Exception):  # noqa: N818 - an answer of the sandbox, not a failure
    """The sandbox refuses a request. status: of HTTP."""

    def __init__(self, status: int, *messages: str, **errors: str) -> None:
        super().__init__(*messages)
        self.status = status
        self.body = {"errorMessages": list(messages), "errors": errors}


class Site:
    """Issues of some projects, and what happened to them."""

    def __init__(self, clock: Clock, projects: dict[str, str]) -> None:
        self._clock = clock
        self.projects = projects
        self.issues: dict[str, SandboxIssue] = {}
        self.comments: list[Comment] = []
        self.changes: list[Change] = []
        self._next = FIRST_ID
        self._numbers = dict.fromkeys(projects, 0)

    def create(self, at: datetime | None = None, *, project: str = "ITSM", **values: Any) -> SandboxIssue:
        """Open an issue, as a user does on the page."""
        now = at or self._clock.now()
        self._next += 1
        self._numbers[project] += 1
        given: dict[str, Any] = {
            "issue_type": "[System] Incident", "summary": "Switch is dead", "status": "Open",
            "created": now, "updated": now,
        }  # fmt: skip
        issue = SandboxIssue(
            id=str(self._next), key=f"{project}-{self._numbers[project]}", project=project, **(given | values)
        )
        self.issues[issue.id] = issue
        return issue

    def change(self, issue: SandboxIssue, at: datetime | None = None, **values: Any) -> None:
        """Change an issue's own columns."""
        issue.updated = at or self._clock.now()
        for name, value in values.items():
            setattr(issue, name, value)
            self.changes.append(Change(issue.id, name, value, issue.updated))

    def link(self, kind: str, outward: SandboxIssue, inward: SandboxIssue, at: datetime | None = None) -> None:
        """Say of `outward` what the link says outward of `inward`: that it duplicates it, or causes it."""
        outward.links.append((kind, "outwardIssue", inward.id))
        inward.links.append((kind, "inwardIssue", outward.id))
        for issue in (outward, inward):
            self.change(issue, at)

    def move(self, issue: SandboxIssue, project: str, at: datetime | None = None) -> None:
        """Move an issue to another project; its number stays and its key does not."""
        self._numbers[project] += 1
        self.change(issue, at, project=project, key=f"{project}-{self._numbers[project]}")

    def delete(self, issue: SandboxIssue) -> None:
        """Delete an issue; nothing tells of it any more."""
        del self.issues[issue.id]

    def find(self, id_or_key: str) -> SandboxIssue:
        """The issue. Raises Refusal, also for what the account may not see."""
        issue = self.issues.get(id_or_key) or next((i for i in self.issues.values() if i.key == id_or_key), None)
        if issue is None:
            raise Refusal(404, "Issue does not exist or you do not have permission to see it.")
        return issue

    def comment(
        self,
        issue: SandboxIssue,
        body: Any,
        properties: list[dict[str, Any]] | None = None,
        at: datetime | None = None,
        author: str = ME,
    ) -> Comment:
        """Write a comment. Raises Refusal."""
        if not isinstance(body, dict) or body.get("type") != "doc" or body.get("version") != 1:
            raise Refusal(400, comment="Comment body is not valid!")
        if sum(len(text) for text in _texts(body)) > LONGEST_COMMENT:
            raise Refusal(
                400, comment="The entered text is too long. It exceeds the allowed limit of 32,767 characters."
            )
        now = at or self._clock.now()
        made = Comment(str(FIRST_ID + len(self.comments)), issue.id, body, now, author, properties or [])
        self.comments.append(made)
        issue.updated = now
        return made

    def transition(self, issue: SandboxIssue, number: str, fields: dict[str, Any], properties: list[Any]) -> None:
        """Move an issue along its workflow. Raises Refusal."""
        ways = {STATUSES[name].id: name for name in TRANSITIONS[issue.status]}
        if number not in ways:
            raise Refusal(400, f"Transition id '{number}' is not valid for this issue.")
        target = ways[number]
        if STATUSES[target].category == "done" and issue.resolution is None:
            resolution = (fields.get("resolution") or {}).get("name")
            if resolution is None:
                raise Refusal(400, resolution="Resolution is required.")
            if resolution not in RESOLUTIONS:
                raise Refusal(400, resolution=f"Resolution name '{resolution}' is not valid")
            issue.resolution = resolution
        is_done = STATUSES[target].category == "done"
        self.change(issue, status=target)
        issue.resolved = (issue.resolved or issue.updated) if is_done else None
        issue.resolution = issue.resolution if is_done else None
        self._mark(issue, properties)

    def edit(self, issue: SandboxIssue, fields: dict[str, Any], properties: list[Any]) -> None:
        """Change fields, all or none. Raises Refusal."""
        problems: dict[str, str] = {}
        for name, value in fields.items():
            problem = _problem(name, value)
            if problem:
                problems[name] = problem
        if problems:
            raise Refusal(400, **problems)
        issue.updated = self._clock.now()
        for name, value in fields.items():
            if name == "assignee":
                self.change(issue, assignee=value["accountId"] if value else None)
                continue
            kept = {"self": f"/customFieldOption/{value['value']}", **value} if isinstance(value, dict) and \
                "value" in value else value  # fmt: skip
            issue.fields[name] = kept
            self.changes.append(Change(issue.id, name, value, issue.updated))
        self._mark(issue, properties)

    def _mark(self, issue: SandboxIssue, properties: list[Any]) -> None:
        for each in properties:
            issue.properties[each["key"]] = each["value"]


def _problem(name: str, value: Any) -> str | None:
    definition = EDITABLE.get(name)
    if definition is None:
        return f"Field '{name}' cannot be set. It is not on the appropriate screen, or unknown."
    if value is None:
        return None
    if definition.kind == "user":
        return None if value.get("accountId") in ACCOUNTS else "The account does not exist."
    if definition.choices is not None and (not isinstance(value, dict) or value.get("value") not in definition.choices):
        return "Specify a valid value for the field"
    if definition.kind == "number" and not isinstance(value, int | float):
        return "Specify a number"
    is_long = (definition.custom or "").endswith(":textarea")
    if is_long and not (isinstance(value, dict) and value.get("type") == "doc"):
        return "Operation value must be an Atlassian Document"
    if definition.kind == "string" and not is_long:
        if not isinstance(value, str):
            return "Operation value must be a string"
        if len(value) > LONGEST_TEXT or "\n" in value:
            return f"The entered text is too long. It exceeds the allowed limit of {LONGEST_TEXT} characters."
    return None


def _texts(node: dict[str, Any]) -> list[str]:
    own = [node["text"]] if node.get("type") == "text" else []
    return own + [text for child in node.get("content", []) for text in _texts(child)]
