"""What PagerDuty says of an incident, in the hub's terms. Pure; knows no network."""

from __future__ import annotations

import json
from typing import Any

from connector.sdk import InvalidRecord, Priority, Rejected, SourceRef, TicketRecord, TicketState, TicketType
from connector_pagerduty.config import PagerDutyConfig
from connector_pagerduty.hints import Hints
from connector_pagerduty.shapes import MERGED, Incident, incident_ref


def ticket_record(incident: Incident, config: PagerDutyConfig) -> TicketRecord:
    """An incident as a ticket. Raises InvalidRecord with the path of what has no meaning."""
    state = config.state_of(incident.status)
    if state is None:
        raise InvalidRecord(
            f"incident {incident.incident_number} has status {incident.status!r}, which nobody gave a meaning",
            path="/status",
            hint="Say what it means in the setting `states` of this source, then replay the record.",
        )
    hints = Hints(incident, config)
    is_over = state in (TicketState.RESOLVED, TicketState.CLOSED, TicketState.CANCELLED)
    kind = incident.incident_type.name if incident.incident_type else None
    return TicketRecord(
        ref=incident_ref(incident.id),
        updated_at=incident.changed_at,
        number=str(incident.incident_number),
        type=config.types.get(kind or "", TicketType.INCIDENT),
        priority=_priority(incident, config),
        state=state,
        title=incident.title or "",
        description=hints.description(),
        category=hints.category(),
        asset_tag=hints.text(config.asset_tag_field),
        serial=hints.text(config.serial_field),
        hostname=hints.text(config.hostname_field),
        site_name=hints.site_name(),
        product=hints.product(),
        duplicate_of=_merged_into(incident),
        quantity=hints.quantity(),
        assignee=incident.assignments[0].assignee.summary if incident.assignments else None,
        opened_at=incident.created_at,
        resolved_at=(incident.resolved_at or incident.last_status_change_at) if is_over else None,
        url=incident.html_url,
    )


def is_in_scope(incident: Incident, config: PagerDutyConfig) -> bool:
    """Whether the settings ask for incidents of its service and of one of its teams."""
    service = incident.service.id if incident.service else None
    teams = {team.id for team in incident.teams}
    return (not config.services or service in config.services) and (not config.teams or bool(teams & {*config.teams}))


def rejected(item: Any, reason: str, path: str | None = None, ref: SourceRef | None = None) -> Rejected:
    """An object that cannot become a record, kept whole. ref: where it is not the object's own id."""
    raw_id = item.get("id") if isinstance(item, dict) else None
    if ref is None and isinstance(raw_id, str) and 0 < len(raw_id) <= 255:
        ref = incident_ref(raw_id)
    raw = json.dumps(item, ensure_ascii=False).encode()
    return Rejected(ref=ref, raw=raw, reason=reason, path=path)


def _merged_into(incident: Incident) -> SourceRef | None:
    """The incident that this one was merged into, whereby it was resolved."""
    reason = incident.resolve_reason
    into = reason.incident.id if reason and reason.type == MERGED and reason.incident else None
    return incident_ref(into) if into and into != incident.id else None


def _priority(incident: Incident, config: PagerDutyConfig) -> Priority | None:
    """That of the account's scheme, else what the urgency stands for."""
    told = incident.priority.summary if incident.priority else None
    if told is None:
        return config.urgencies.get(incident.urgency or "")
    known = {name.casefold(): priority for name, priority in config.priorities.items()}
    if told.strip().casefold() not in known:
        raise InvalidRecord(
            f"incident {incident.incident_number} has priority {told!r}; known are {', '.join(config.priorities)}",
            path="/priority/summary",
            hint="Say what it means in the setting `priorities` of this source, then replay the record.",
        )
    return known[told.strip().casefold()]
