"""SANDBOX: the tickets, articles and links of a Zammad, and what happened to them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from connector.sdk import Clock

STATE_TYPES = {
    "new": "new", "open": "open", "pending reminder": "pending reminder", "closed": "closed", "merged": "merged",
    "pending close": "pending action",
}  # fmt: skip
"""State -> its type, as a new Zammad has them; `removed` is not in use."""
PRIORITIES = ("1 low", "2 normal", "3 high")
WAITING = ("pending reminder", "pending action")
LONGEST_ARTICLE = 1_500_000
LONGEST_INPUT = 120
NOBODY = 1


@dataclass(frozen=True, slots=True)
class Person:
    """A user. groups: in which they may work on tickets."""

    id: int
    login: str
    email: str
    groups: tuple[str, ...] = ()


PEOPLE = (
    Person(NOBODY, "-", ""),
    Person(3, "connector", "connector@example.com", ("Service Desk", "2nd Level")),
    Person(5, "emma", "emma@example.com", ("Service Desk",)),
    Person(8, "emily@example.com", "emily@example.com"),
)
GROUPS = ("Service Desk", "2nd Level", "Secret")


@dataclass(frozen=True, slots=True)
class Attribute:
    """A custom attribute of tickets. options: the only values of a select."""

    name: str
    kind: str = "input"
    options: tuple[str, ...] | None = None
    empty: Any = None


ATTRIBUTES = (
    Attribute("asset_tag"), Attribute("serial_number"), Attribute("site"), Attribute("manufacturer"),
    Attribute("model"), Attribute("tracking_number"), Attribute("quantity", "integer", empty=1),
    Attribute("is_remote", "boolean", empty=False), Attribute("needed_at", "datetime"),
    Attribute("environment", "select", ("lab", "live")), Attribute("racks", "multiselect", empty=[]),
)  # fmt: skip


@dataclass
class Article:
    """An article of a ticket."""

    id: int
    ticket: int
    at: datetime
    subject: str | None
    body: str
    content_type: str
    internal: bool
    author: Person


@dataclass(frozen=True, slots=True)
class Change:
    """An entry of a ticket's history."""

    ticket: int
    attribute: str
    to: Any


class Refusal(Exception):  # noqa: N818 - an answer of the sandbox, not a failure
    """The sandbox refuses a request. is_told: whoever is no administrator is told why."""

    def __init__(self, status: int, reason: str, *, is_told: bool = True) -> None:
        super().__init__(reason)
        self.status = status
        told = {"error": reason, "error_human": reason}
        self.body = told if is_told else {"error": "Error ID kxJ2wQ: Please contact your administrator."}


class Desk:
    """Tickets and what happened to them. me: whose credentials the hub has."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.me = PEOPLE[1]
        self.state_types = dict(STATE_TYPES)
        self.tickets: dict[int, dict[str, Any]] = {}
        self.articles: list[Article] = []
        self.links: list[tuple[str, int, int]] = []
        self.history: list[Change] = []

    def open(self, at: datetime | None = None, *, body: str = "It is dead.", **columns: Any) -> dict[str, Any]:
        """A ticket that a customer has written."""
        when = self._when(at)
        number = max(self.tickets, default=0) + 1
        ticket: dict[str, Any] = {
            "id": number, "number": f"{22000 + number}", "title": "Switch is dead", "group": "Service Desk",
            "state": "new", "priority": "2 normal", "owner": "-", "customer": "emily@example.com", "type": None,
            "note": None, "close_at": None, "last_close_at": None, "close_escalation_at": None, "escalation_at": None,
            "pending_time": None, "preferences": {}, "created_at": when, "updated_at": when,
        }  # fmt: skip
        ticket |= {each.name: each.empty for each in ATTRIBUTES} | columns
        self.tickets[number] = ticket
        self._write(ticket, when, {"body": body, "content_type": "text/html"}, PEOPLE[-1])
        return ticket

    def find(self, ticket_id: Any) -> dict[str, Any]:
        """The ticket of an id, as far as the account may see it. Raises Refusal."""
        found = self.tickets.get(int(ticket_id)) if str(ticket_id).isdigit() else None
        if found is None:
            raise Refusal(404, f"Couldn't find Ticket with 'id'={ticket_id}")
        if not self.is_visible(found):
            raise Refusal(403, "Not authorized")
        return found

    def is_visible(self, ticket: Mapping[str, Any]) -> bool:
        """Whether the account may see a ticket."""
        return ticket["group"] in self.me.groups

    def change(self, ticket: dict[str, Any], at: datetime | None = None, **columns: Any) -> None:
        """Change columns, as a person does."""
        when = self._when(at)
        for name, value in columns.items():
            if ticket[name] != value:
                ticket[name] = value
                self.history.append(Change(ticket["id"], name, value))
        if columns.get("state") == "closed":
            ticket["last_close_at"] = when
            ticket["close_at"] = ticket["close_at"] or when
        ticket["updated_at"] = when

    def update(self, ticket: dict[str, Any], asked: Mapping[str, Any]) -> None:
        """Change a ticket as the interface does: what it does not know it leaves out. Raises Refusal."""
        columns = {name: value for name, value in asked.items() if name in ticket and name != "preferences"}
        self._require_known(columns)
        if "owner" in columns:
            group = columns.get("group", ticket["group"])
            owner = self.person(columns["owner"], "owner")
            columns["owner"] = owner.login if group in owner.groups else "-"
        if columns.get("state") and self.state_types[columns["state"]] in WAITING and not columns.get("pending_time"):
            raise Refusal(422, "Missing required value for field 'pending_time'!")
        for each in ATTRIBUTES:
            if each.name in columns:
                columns[each.name] = _cast(each, columns[each.name])
        ticket["preferences"] = {**ticket["preferences"], **(asked.get("preferences") or {})}
        self.change(ticket, **columns)

    def write(self, ticket: dict[str, Any], asked: Mapping[str, Any]) -> Article:
        """Write an article. Raises Refusal."""
        return self._write(ticket, self._when(None), asked, self.me)

    def link(self, kind: str, source: int, target: int, at: datetime | None = None) -> None:
        """Make `source` the parent of `target`, or link them otherwise; both count as changed."""
        self.links.append((kind, source, target))
        for ticket_id in (source, target):
            self.change(self.tickets[ticket_id], at)

    def merge(self, ticket: dict[str, Any], into: dict[str, Any], at: datetime | None = None) -> None:
        """Make a ticket part of another, which becomes its parent and has its links and articles from then on."""
        names = {ticket["id"]: into["id"]}
        self.links = [(kind, names.get(source, source), names.get(to, to)) for kind, source, to in self.links]
        for article in self.articles:
            article.ticket = names.get(article.ticket, article.ticket)
        self._write(ticket, self._when(at), {"body": "merged"}, self.me)
        self.link("parent", into["id"], ticket["id"], at)
        self.change(ticket, at, state="merged", owner="-")

    def person(self, name: Any, field: str) -> Person:
        """Whoever has this login, or this address. Raises Refusal."""
        found = next((each for each in PEOPLE if name in (each.login, each.email)), None)
        if found is None:
            raise Refusal(422, f"No lookup value found for '{field}': {json.dumps(name)}")
        return found

    def _require_known(self, columns: Mapping[str, Any]) -> None:
        for name, known in (("state", self.state_types), ("priority", PRIORITIES), ("group", GROUPS)):
            if name in columns and columns[name] not in known:
                raise Refusal(422, f"No lookup value found for '{name}': {json.dumps(columns[name])}")
        for name in ("owner", "customer"):
            if name in columns:
                self.person(columns[name], name)

    def _write(self, ticket: dict[str, Any], when: datetime, asked: Mapping[str, Any], author: Person) -> Article:
        body = asked.get("body")
        if not body:
            raise Refusal(422, 'Need at least article: { body: "some text" }')
        if len(body) > LONGEST_ARTICLE:
            raise Refusal(
                422, f"body of article is too large, {len(body)} chars - only {LONGEST_ARTICLE} allowed"
            )  # fmt: skip
        article = Article(
            id=len(self.articles) + 1, ticket=ticket["id"], at=when, subject=asked.get("subject"), body=body,
            content_type=asked.get("content_type") or "text/plain", internal=bool(asked.get("internal")),
            author=author,
        )  # fmt: skip
        self.articles.append(article)
        ticket["updated_at"] = when
        return article

    def _when(self, at: datetime | None) -> datetime:
        when = (at or self._clock.now()).astimezone(UTC)
        return when.replace(microsecond=when.microsecond // 1000 * 1000)


def _cast(attribute: Attribute, value: Any) -> Any:
    """As the column takes it. Raises Refusal."""
    if attribute.kind == "integer":
        return int(value) if str(value).lstrip("-").isdigit() else None
    if attribute.kind == "boolean":
        return str(value).lower() in ("true", "1")
    if attribute.kind == "datetime":
        return datetime.fromisoformat(value) if value else None
    if attribute.kind == "multiselect":
        return value if isinstance(value, list) else []
    if attribute.options is not None and value and value not in attribute.options:
        raise Refusal(422, f"Invalid value '{value}' for field '{attribute.name}'!")
    if isinstance(value, str) and len(value) > LONGEST_INPUT:
        raise Refusal(422, "PG::StringDataRightTruncation: ERROR: value too long", is_told=False)
    return value
