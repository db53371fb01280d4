"""From rows of tickets to records. Pure: the times of SLAs are handed in."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime

from connector.sdk import EntityKind, InvalidRecord, Priority, ProductKey, SourceRef, TicketRecord, TicketState
from connector.sdk.rest import Row, last_updated, valid
from connector.sdk.ticket_fields import product_named, units_wanted
from connector_servicenow.columns import BASIC, first, needed, value
from connector_servicenow.config import ServiceNowConfig
from connector_servicenow.query import instant
from connector_servicenow.words import TYPES, TicketFact, TicketTable

LONGEST_TEXT = 65_536
MODEL = "cmdb_ci.model_id"
COMMON = (
    *BASIC, "number", "state", "priority", "short_description", "description", "opened_at", "closed_at", "parent",
    "location", "location.name", "cmdb_ci", "cmdb_ci.name", "cmdb_ci.serial_number", "cmdb_ci.asset_tag",
    "cmdb_ci.asset", "cmdb_ci.location", "cmdb_ci.location.name", f"{MODEL}.name", f"{MODEL}.model_number",
    f"{MODEL}.manufacturer.name", "assigned_to", "assigned_to.email", "assignment_group.name",
)  # fmt: skip
SPECIAL: dict[TicketTable, tuple[str, ...]] = {
    "incident": (
        "caller_id", "caller_id.email", "category", "parent_incident", "problem_id", "rfc", "caused_by", "close_code",
        "resolved_at",
    ),
    "sc_req_item": (
        "request", "cat_item.name", "quantity", "requested_for", "requested_for.email", "request.requested_for",
        "request.requested_for.email",
    ),
    "sc_request": ("requested_for", "requested_for.email"),
}  # fmt: skip
REQUESTERS = (
    "caller_id.email", "caller_id", "requested_for.email", "requested_for", "request.requested_for.email",
    "request.requested_for",
)  # fmt: skip
HINTS: dict[TicketFact, tuple[str, ...]] = {
    "asset_tag": ("cmdb_ci.asset_tag",),
    "serial": ("cmdb_ci.serial_number",),
    "hostname": ("cmdb_ci.name",),
    "site_name": ("location.name", "cmdb_ci.location.name"),
    "category": ("category", "cat_item.name"),
    "manufacturer": (f"{MODEL}.manufacturer.name",),
    "model": (f"{MODEL}.name",),
    "part_number": (f"{MODEL}.model_number",),
    "quantity": ("quantity",),
}
"""Where else it is said."""


def ticket_columns(table: TicketTable, config: ServiceNowConfig) -> tuple[str, ...]:
    """The columns of a table of tickets."""
    return (*COMMON, *SPECIAL[table], *config.ticket_fields.values())


def ticket(
    row: Row, table: TicketTable, config: ServiceNowConfig, slas: Sequence[Row] = ()
) -> TicketRecord:  # fmt: skip
    """A ticket. slas: its rows of task_sla. Raises InvalidRecord."""
    base, external_id = str(config.base_url).rstrip("/"), needed(row, "id")
    state = _state(row, table, config)
    links = _links(row, config)
    counted = [each for each in slas if _counts(each, config)]
    is_over = state in (TicketState.RESOLVED, TicketState.CLOSED, TicketState.CANCELLED)
    return valid(
        lambda: TicketRecord(
            ref=SourceRef(kind=EntityKind.TICKET, external_id=external_id),
            updated_at=max(map(last_updated, (row, *slas))),
            number=needed(row, "number"),
            type=TYPES[table],
            priority=_priority(row, config),
            state=state,
            title=value(row, "short_description") or "",
            description=(value(row, "description") or "")[:LONGEST_TEXT] or None,
            category=_fact(row, "category", config),
            asset=_asset(row, config),
            asset_tag=_fact(row, "asset_tag", config),
            serial=_fact(row, "serial", config),
            hostname=_fact(row, "hostname", config),
            site=_site(row, config),
            site_name=_fact(row, "site_name", config),
            product=_product(row, config),
            quantity=_quantity(row, config),
            requester=first(row, *REQUESTERS),
            assignee=first(row, "assigned_to.email", "assigned_to", "assignment_group.name"),
            opened_at=_time(row, "opened_at"),
            resolved_at=(_time(row, "resolved_at") or _time(row, "closed_at")) if is_over else None,
            sla_due_at=_due(row, counted, config),
            url=f"{base}/{table}.do?sys_id={external_id}",
            **links,
        )
    )


def _state(row: Row, table: TicketTable, config: ServiceNowConfig) -> TicketState:
    told = needed(row, "state")
    state = config.state_of(table, told)
    if state is None:
        raise InvalidRecord(
            f"{value(row, 'number')} has state {told!r}, which nobody gave a meaning to",
            path="/state",
            hint=f'Add it to the source\'s settings: ticket_states.{table} = {{ "{told}" = "on_hold" }}, then replay.',
        )
    return state


def _priority(row: Row, config: ServiceNowConfig) -> Priority | None:
    told = value(row, "priority")
    priority = config.priority_of(told) if told else None
    if told and priority is None:
        raise InvalidRecord(
            f"{value(row, 'number')} has priority {told!r}, which nobody gave a meaning to",
            path="/priority",
            hint=f'Add it to the source\'s settings: priorities = {{ "{told}" = "P4" }}, then replay the record.',
        )
    return priority


def _fact(row: Row, fact: TicketFact, config: ServiceNowConfig) -> str | None:
    """What a column of the customer's says, else what the ticket or its configuration item does."""
    own = config.ticket_fields.get(fact)
    return first(row, *([own] if own else ()), *HINTS.get(fact, ()))


def _asset(row: Row, config: ServiceNowConfig) -> SourceRef | None:
    """The device's record, where devices are read of this instance."""
    if "cmdb" not in config.roles:
        return None
    column = "cmdb_ci.asset" if config.device_table == "alm_hardware" else "cmdb_ci"
    external_id = value(row, column)
    return SourceRef(kind=EntityKind.ASSET, external_id=external_id) if external_id else None


def _site(row: Row, config: ServiceNowConfig) -> SourceRef | None:
    external_id = first(row, "location", "cmdb_ci.location") if "cmdb" in config.roles else None
    return SourceRef(kind=EntityKind.SITE, external_id=external_id) if external_id else None


def _product(row: Row, config: ServiceNowConfig) -> ProductKey | None:
    """The product, where both maker and model are named; either alone says nothing certain."""
    maker, model = _fact(row, "manufacturer", config), _fact(row, "model", config)
    return product_named(maker, model, _fact(row, "part_number", config))


def _quantity(row: Row, config: ServiceNowConfig) -> int | None:
    number = value(row, "number")
    return units_wanted(_fact(row, "quantity", config), ticket=f"{number}", field="quantity", path="/quantity")


def _links(row: Row, config: ServiceNowConfig) -> dict[str, SourceRef | tuple[SourceRef, ...] | None]:
    """The tickets that it names: its parent, or what it is a duplicate of by its resolution code, and others."""
    itself = value(row, "id")
    above = first(row, "parent_incident", "request", "parent")
    is_duplicate = bool(value(row, "parent_incident")) and value(row, "close_code") in config.duplicate_codes
    named = {value(row, column) for column in ("parent", "problem_id", "rfc", "caused_by")} - {None, above, itself}
    other = _ref(above) if above and above != itself else None
    return {
        "parent": None if is_duplicate else other,
        "duplicate_of": other if is_duplicate else None,
        "related": tuple(_ref(each) for each in sorted(filter(None, named))) or None,
    }


def _ref(external_id: str) -> SourceRef:
    return SourceRef(kind=EntityKind.TICKET, external_id=external_id)


def _counts(sla: Row, config: ServiceNowConfig) -> bool:
    """Whether an SLA says when the ticket is due: by name as the settings have it, else by its target."""
    if value(sla, "stage") == "cancelled":
        return False
    if config.slas:
        return value(sla, "sla.name") in config.slas
    return value(sla, "sla.target") in (None, "resolution")


def _due(row: Row, slas: Iterable[Row], config: ServiceNowConfig) -> datetime | None:
    """When the first of its SLAs is breached; a column of the customer's goes before."""
    own = config.ticket_fields.get("due_at")
    told = _time(row, own) if own else None
    return told or min(filter(None, (_time(each, "planned_end_time") for each in slas)), default=None)


def _time(row: Row, column: str) -> datetime | None:
    try:
        return instant(row.get(column))
    except ValueError as error:
        raise InvalidRecord(f"column {column!r} is {row.get(column)!r}: {error}", path=f"/{column}") from error
