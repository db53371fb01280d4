"""What Zammad says of a ticket, in the hub's terms. Pure; knows no network."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BeforeValidator, Field, ValidationError

from connector.sdk import (
    EntityKind,
    InvalidRecord,
    Priority,
    ProductKey,
    Rejected,
    SourceRef,
    TicketRecord,
    TicketState,
    Tombstone,
    answers,
)
from connector.sdk.answers import Theirs, TheirsT, unreadable
from connector.sdk.cursors import read_instant
from connector.sdk.markup import text_of_html
from connector.sdk.ticket_fields import product_named, units_wanted
from connector_zammad.config import ZammadConfig

LONGEST_DESCRIPTION = 65_536
NOBODY = "-"
"""Login of user 1, who owns what nobody owns."""
ENDED = (TicketState.RESOLVED, TicketState.CLOSED, TicketState.CANCELLED)


def _read(value: Any) -> Any:
    return read_instant(value) if isinstance(value, str) else value


Instant = Annotated[AwareDatetime, BeforeValidator(_read)]


class Ticket(Theirs):
    """A ticket with the names of what it refers to. owner, customer: logins."""

    id: int = Field(gt=0)
    number: str = Field(min_length=1)
    title: str | None = None
    group: str
    state: str
    priority: str | None = None
    type: str | None = None
    owner: str | None = None
    customer: str | None = None
    created_at: Instant | None = None
    updated_at: Instant
    close_at: Instant | None = None
    last_close_at: Instant | None = None
    article_ids: tuple[int, ...] | None = None

    @property
    def ref(self) -> SourceRef:
        """What it is called in the hub."""
        return ticket_ref(self.id)

    @property
    def first_article(self) -> int | None:
        """With what it was opened."""
        return min(self.article_ids) if self.article_ids else None


class Link(Theirs):
    """What another object is to a ticket: its `parent`, its `child`, or `normal`, which says nothing more."""

    type: str = Field(alias="link_type")
    kind: str = Field(alias="link_object")
    other: int = Field(alias="link_object_value")


class Article(Theirs):
    """An article as far as its text goes."""

    body: str | None = None
    content_type: str | None = None


@dataclass(frozen=True, slots=True)
class Details:
    """What Zammad tells of a ticket when it is asked once more."""

    links: tuple[Link, ...] = ()
    article: Article | None = None


def read_ticket(body: Any) -> Ticket:
    """A ticket of an answer. Raises InvalidRecord with the path of what is wrong."""
    return _valid(Ticket, body, "ticket")


def read_links(bodies: Iterable[Any]) -> tuple[Link, ...]:
    """The links of an answer. Raises InvalidRecord."""
    return tuple(_valid(Link, body, "link") for body in bodies)


def read_article(body: Any) -> Article:
    """An article of an answer. Raises InvalidRecord."""
    return _valid(Article, body, "article")


def ticket_ref(ticket_id: int) -> SourceRef:
    """Identity of a ticket: its id. Its number stays as well, and is for people."""
    return SourceRef(kind=EntityKind.TICKET, external_id=str(ticket_id))


def rejected(body: Mapping[str, Any], error: InvalidRecord) -> Rejected:
    """A ticket that cannot become a record, kept whole."""
    found: Any = body.get("id")
    is_id = isinstance(found, int) and not isinstance(found, bool) and found > 0
    return answers.rejected(body, error, ticket_ref(found) if is_id else None)


def ticket_record(
    ticket: Ticket, raw: Mapping[str, Any], details: Details, state_types: Mapping[str, str], config: ZammadConfig
) -> TicketRecord | Tombstone:
    """A ticket's record; a Tombstone when it is in none of the groups that are read. raw: with custom attributes.

    Raises InvalidRecord with the path of what nobody gave a meaning to.
    """
    if config.groups and ticket.group not in config.groups:
        return Tombstone(ref=ticket.ref, updated_at=ticket.updated_at)
    attributes = _Attributes(ticket, raw)
    state_type = state_types.get(ticket.state)
    state = _state(ticket, state_type, config)
    links = _Linked.of(ticket, details.links, is_merged=state_type == "merged")
    return TicketRecord(
        ref=ticket.ref,
        updated_at=ticket.updated_at,
        number=ticket.number,
        type=config.type_of(ticket.type),
        priority=_priority(ticket, config),
        state=state,
        title=ticket.title or "",
        description=_description(details.article),
        category=attributes.text(config.category_field) or ticket.group,
        asset_tag=attributes.text(config.asset_tag_field),
        serial=attributes.text(config.serial_field),
        hostname=attributes.text(config.hostname_field),
        site_name=attributes.text(config.site_field),
        product=attributes.product(config),
        quantity=attributes.quantity(config.quantity_field),
        parent=links.parent,
        duplicate_of=links.duplicate_of,
        related=links.related,
        requester=ticket.customer if ticket.customer != NOBODY else None,
        assignee=ticket.owner if ticket.owner != NOBODY else None,
        opened_at=ticket.created_at,
        resolved_at=(ticket.last_close_at or ticket.close_at) if state in ENDED else None,
        sla_due_at=attributes.time(config.sla_field),
        url=f"{str(config.base_url).rstrip('/')}/#ticket/zoom/{ticket.id}",
    )


class _Attributes:
    """The attributes of a ticket by name, custom ones included."""

    def __init__(self, ticket: Ticket, raw: Mapping[str, Any]) -> None:
        self._ticket = ticket
        self._raw = raw

    def text(self, name: str | None) -> str | None:
        """What a person would read there; of several options the first, of a tree the whole path."""
        return _text(self._raw.get(name)) if name else None

    def time(self, name: str) -> datetime | None:
        """A time; None where there is none, or what is there is none."""
        told = self._raw.get(name)
        try:
            return read_instant(told) if isinstance(told, str) else None
        except ValueError:
            return None

    def product(self, config: ZammadConfig) -> ProductKey | None:
        """The product, where both maker and model are named; either alone says nothing certain."""
        maker, model = self.text(config.manufacturer_field), self.text(config.model_field)
        return product_named(maker, model, self.text(config.part_number_field))

    def quantity(self, name: str | None) -> int | None:
        """How many units are needed; None where nobody said so. Raises InvalidRecord."""
        return units_wanted(
            self.text(name), ticket=f"ticket {self._ticket.number}", field=name, path=f"/{name}",
            hint="name another attribute in `quantity_field`",
        )  # fmt: skip


@dataclass(frozen=True, slots=True)
class _Linked:
    """The tickets that a ticket names."""

    parent: SourceRef | None
    duplicate_of: SourceRef | None
    related: tuple[SourceRef, ...] | None

    @classmethod
    def of(cls, ticket: Ticket, links: Iterable[Link], *, is_merged: bool) -> _Linked:
        """Of several parents the oldest ticket counts, the rest are related. A child names its parent itself.

        Merging makes the ticket that it goes into the parent of the one that is merged.
        """
        others = sorted(
            {(link.other, link.type) for link in links if link.kind == "Ticket" and link.other != ticket.id}
        )
        parents = [other for other, kind in others if kind == "parent"]
        related = [other for other, kind in others if kind == "normal"]
        rest = sorted({*related, *parents[1:]} - set(parents[:1]))
        first = ticket_ref(parents[0]) if parents else None
        return cls(
            parent=None if is_merged else first,
            duplicate_of=first if is_merged else None,
            related=tuple(ticket_ref(other) for other in rest) or None,
        )


def _state(ticket: Ticket, state_type: str | None, config: ZammadConfig) -> TicketState:
    state = config.state_of(ticket.state, state_type)
    if state is None:
        raise InvalidRecord(
            f"ticket {ticket.number} is {ticket.state!r}, a state whose type {state_type!r} says nothing",
            path="/state",
            hint="Say what it means in the setting `states` of this source, then replay the record.",
        )
    return state


def _priority(ticket: Ticket, config: ZammadConfig) -> Priority | None:
    if ticket.priority is None:
        return None
    priority = config.priority_of(ticket.priority)
    if priority is None:
        raise InvalidRecord(
            f"ticket {ticket.number} has priority {ticket.priority!r}, which nobody gave a meaning to",
            path="/priority",
            hint="Say what it means in the setting `priorities` of this source, then replay the record.",
        )
    return priority


def _description(article: Article | None) -> str | None:
    if article is None or not article.body:
        return None
    return plain_text(article.body, article.content_type or "text/plain")[:LONGEST_DESCRIPTION] or None


def plain_text(body: str, content_type: str) -> str:
    """What a person reads of an article."""
    return text_of_html(body) if "html" in content_type.lower() else body.strip()


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        return next((text for each in value if (text := _text(each))), None)
    if isinstance(value, dict):  # from an external data source
        return _text(value.get("label")) or _text(value.get("value"))
    if isinstance(value, bool):
        return None
    return str(value).strip() or None if isinstance(value, str | int | float) else None


def _valid(kind: type[TheirsT], body: Any, what: str) -> TheirsT:
    try:
        return kind.model_validate(body)
    except ValidationError as error:
        raise unreadable(error, what) from None
