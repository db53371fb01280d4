"""What Jira says of an issue, in the hub's terms. Pure; knows no network."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, BeforeValidator, ConfigDict, Field, ValidationError

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
from connector.sdk.answers import unreadable
from connector.sdk.cursors import read_instant
from connector.sdk.ticket_fields import product_named, units_wanted
from connector_jira_service_management.adf import plain_text
from connector_jira_service_management.config import JiraServiceManagementConfig
from connector_jira_service_management.field_text import text_of
from connector_jira_service_management.links import Link, Linked, OtherIssue, linked, ticket_ref

FIELDS = (
    "summary", "description", "status", "priority", "issuetype", "project", "created", "updated", "resolutiondate",
    "reporter", "assignee", "parent", "issuelinks",
)  # fmt: skip
"""What is asked for of each issue, beside the fields that the settings name."""
LONGEST_DESCRIPTION = 65_536
LAST_INSTANT_MS = 4_102_444_800_000
"""The year 2100; what is later is no time of an SLA or of a webhook."""


def _read(value: Any) -> Any:
    return read_instant(value) if isinstance(value, str) else value


Instant = Annotated[AwareDatetime, BeforeValidator(_read)]


class Theirs(BaseModel):
    """A part of an answer of Jira's; what is not looked at may be there."""

    model_config = ConfigDict(extra="ignore", frozen=True)


class _Named(Theirs):
    name: str


class _Category(Theirs):
    key: str | None = None


class _Status(_Named):
    category: _Category | None = Field(default=None, alias="statusCategory")


class _Project(_Named):
    key: str


class _User(Theirs):
    account_id: str | None = Field(default=None, alias="accountId")
    email: str | None = Field(default=None, alias="emailAddress")


class _Fields(Theirs):
    summary: str | None = None
    description: Any = None
    status: _Status
    priority: _Named | None = None
    issuetype: _Named
    project: _Project
    created: Instant | None = None
    updated: Instant
    resolved: Instant | None = Field(default=None, alias="resolutiondate")
    reporter: _User | None = None
    assignee: _User | None = None
    parent: OtherIssue | None = None
    links: tuple[Link, ...] | None = Field(default=None, alias="issuelinks")


class _Issue(Theirs):
    id: str = Field(pattern=r"^[0-9]{1,20}$", coerce_numbers_to_str=True)
    key: str
    fields: _Fields


def fields_of(config: JiraServiceManagementConfig) -> tuple[str, ...]:
    """The fields that a record is made from."""
    return (*FIELDS, *sorted(set(configured_fields(config).values()) - set(FIELDS)))


def configured_fields(config: JiraServiceManagementConfig) -> dict[str, str]:
    """Setting -> the field that it names."""
    settings = {name: getattr(config, name) for name in type(config).model_fields if name.endswith("_field")}
    return {name: field for name, field in settings.items() if field is not None}


def ticket_record(item: Any, config: JiraServiceManagementConfig) -> TicketRecord | Tombstone:
    """An issue as a search tells it; a Tombstone when it is none of those that are read.

    Raises InvalidRecord with the path of what is wrong.
    """
    try:
        issue = _Issue.model_validate(item)
        if not config.is_read(issue.fields.project.key, issue.fields.issuetype.name):
            return Tombstone(ref=ticket_ref(issue.id), updated_at=issue.fields.updated)
        return _record(issue, item["fields"], config)
    except ValidationError as error:
        raise unreadable(error, "issue") from None


def rejected(item: Any, error: InvalidRecord) -> Rejected:
    """An issue that cannot become a record, kept whole."""
    raw_id = item.get("id") if isinstance(item, dict) else None
    ref = ticket_ref(raw_id) if isinstance(raw_id, str) and raw_id.isascii() and raw_id.isdigit() else None
    return answers.rejected(item, error, ref)


def _record(issue: _Issue, raw: Mapping[str, Any], config: JiraServiceManagementConfig) -> TicketRecord:
    fields = issue.fields
    links: Linked = linked(fields.links or (), fields.parent, config, itself=issue.id)
    return TicketRecord(
        ref=SourceRef(kind=EntityKind.TICKET, external_id=issue.id),
        updated_at=fields.updated,
        number=issue.key,
        type=config.type_of(fields.issuetype.name),
        priority=_priority(issue, config),
        state=_state(issue, config),
        title=fields.summary or "",
        description=plain_text(fields.description)[:LONGEST_DESCRIPTION] or None,
        category=_named(raw, config.category_field) or fields.project.name,
        asset_tag=_named(raw, config.asset_tag_field),
        serial=_named(raw, config.serial_field),
        hostname=_named(raw, config.hostname_field),
        site_name=_named(raw, config.site_field),
        product=_product(raw, config),
        quantity=_quantity(issue, raw, config),
        parent=links.parent,
        duplicate_of=links.duplicate_of,
        related=links.related,
        requester=_account(fields.reporter),
        assignee=_account(fields.assignee),
        opened_at=fields.created,
        resolved_at=fields.resolved,
        sla_due_at=_due(raw, config),
        url=f"{str(config.site_url or config.base_url).rstrip('/')}/browse/{issue.key}",
    )


def _state(issue: _Issue, config: JiraServiceManagementConfig) -> TicketState:
    status = issue.fields.status
    state = config.state_of(status.name, status.category.key if status.category else None)
    if state is None:
        raise InvalidRecord(
            f"issue {issue.key} has status {status.name!r}, which has no category that says anything",
            path="/fields/status",
            hint="Say what it means in the setting `states` of this source, then replay the record.",
        )
    return state


def _priority(issue: _Issue, config: JiraServiceManagementConfig) -> Priority | None:
    given = issue.fields.priority
    if given is None:
        return None
    priority = config.priority_of(given.name)
    if priority is None:
        raise InvalidRecord(
            f"issue {issue.key} has priority {given.name!r}, which nobody gave a meaning to",
            path="/fields/priority",
            hint="Say what it means in the setting `priorities` of this source, then replay the record.",
        )
    return priority


def _named(raw: Mapping[str, Any], field: str | None) -> str | None:
    return text_of(raw.get(field)) if field else None


def _product(raw: Mapping[str, Any], config: JiraServiceManagementConfig) -> ProductKey | None:
    """The product, where both maker and model are named; either alone says nothing certain."""
    manufacturer, model = _named(raw, config.manufacturer_field), _named(raw, config.model_field)
    return product_named(manufacturer, model, _named(raw, config.part_number_field))


def _quantity(issue: _Issue, raw: Mapping[str, Any], config: JiraServiceManagementConfig) -> int | None:
    """How many units are needed; None where nobody said so."""
    field = config.quantity_field
    return units_wanted(
        _named(raw, field), ticket=f"issue {issue.key}", field=field, path=f"/fields/{field}",
        hint="name another field in `quantity_field`",
    )  # fmt: skip


def _due(raw: Mapping[str, Any], config: JiraServiceManagementConfig) -> datetime | None:
    """When the SLA is breached; None where none runs, or it is met."""
    value: Any = raw.get(config.sla_field) if config.sla_field else None
    for step in ("ongoingCycle", "breachTime", "epochMillis"):
        value = value.get(step) if isinstance(value, dict) else None
    if not isinstance(value, int) or isinstance(value, bool) or not 0 < value < LAST_INSTANT_MS:
        return None
    return datetime.fromtimestamp(value / 1000, tz=UTC)


def _account(user: _User | None) -> str | None:
    """Their e-mail address, where the profile shows it, else the account's id: names are not unique."""
    return (user.email or user.account_id) if user else None
