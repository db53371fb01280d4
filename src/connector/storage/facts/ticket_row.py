"""A ticket and everything that hangs on it as one row, and the facts that such a row holds.

What only some tickets have is a flag here; `connector.storage.facts.facts` reads the detail where a flag says so.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import and_, bindparam, exists, func, or_, select, true

from connector.model.kinds import LinkKind
from connector.model.lifecycle import RESERVATION_LIVE, ApprovalState, ReservationState
from connector.rules.facts.standing import LoanFacts
from connector.rules.facts.ticket import AssetFacts, ProductFacts, ServiceClassFacts, SiteFacts, TicketFacts
from connector.storage.approvals.channels import newest_open
from connector.storage.database.bulk import among_given
from connector.storage.database.constants import with_constants
from connector.storage.facts.fleet import fleet_stamp
from connector.storage.facts.kits import has_kit
from connector.storage.facts.lanes import lane_columns
from connector.storage.facts.outstanding import next_line, units_had, waits_for_rest
from connector.storage.policies.active import active_activation
from connector.storage.policies.service_classes import stated_class
from connector.storage.stock.losses import has_lost
from connector.storage.tables import (
    LOAN_LINE,
    approval,
    asset,
    compatibility,
    loan,
    procurement,
    product,
    reservation,
    service_class,
    site,
    source,
    ticket,
    ticket_link,
)

_has_substitutes = exists().where(
    compatibility.c.product_id == func.coalesce(asset.c.product_id, ticket.c.product_id),
    compatibility.c.retired_at.is_(None),
)

_is_reserved = exists().where(
    reservation.c.ticket_id == ticket.c.id,
    reservation.c.line == bindparam("line"),
    reservation.c.state.in_(RESERVATION_LIVE),
)

_has_procurements = exists().where(procurement.c.ticket_id == ticket.c.id)

_other = ticket.alias("other")
_relieves = and_(
    reservation.c.line != LOAN_LINE,
    or_(
        reservation.c.state.in_(RESERVATION_LIVE),
        and_(
            reservation.c.state == ReservationState.FULFILLED,
            reservation.c.updated_at >= func.coalesce(ticket.c.opened_at, ticket.c.created_at),
        ),
    ),
)
"""What another ticket has for good, or was sent after this one was opened."""

_relief = (
    select(func.min(reservation.c.id))
    .join(_other, _other.c.id == reservation.c.ticket_id)
    .where(_other.c.asset_id == ticket.c.asset_id, _other.c.id.is_distinct_from(ticket.c.id), _relieves)
    .correlate(ticket)
    .scalar_subquery()
)

_has_family = or_(
    exists().where(
        ticket_link.c.ticket_id == ticket.c.id,
        ticket_link.c.kind == LinkKind.DUPLICATE_OF,
        ticket_link.c.other_id.is_not(None),
    ),
    exists().where(ticket_link.c.other_id == ticket.c.id, ticket_link.c.kind == LinkKind.DUPLICATE_OF),
)

_parent = (
    select(func.min(ticket_link.c.other_id))
    .where(ticket_link.c.ticket_id == ticket.c.id, ticket_link.c.kind == LinkKind.PARENT)
    .correlate(ticket)
    .scalar_subquery()
)

_refused_approvals = (
    select(func.aggregate_strings(approval.c.name + " " + approval.c.on_refusal, ","))
    .where(approval.c.ticket_id == ticket.c.id, approval.c.state == ApprovalState.REJECTED)
    .correlate(ticket)
    .scalar_subquery()
)
"""Each refused approval with what is to follow, in no order; NULL when none was refused."""

AROUND_TICKETS = with_constants(
    select(
        ticket,
        _has_family.label("has_family"),
        _parent.label("parent_id"),
        _refused_approvals.label("refused_approvals"),
        newest_open.scalar_subquery().label("open_channel"),
        _relief.label("relief"),
        has_lost.label("has_lost"),
        _has_substitutes.label("has_substitutes"),
        has_kit.label("has_kit"),
        _is_reserved.label("is_reserved"),
        _has_procurements.label("has_procurements"),
        units_had.label("units_had"),
        waits_for_rest.label("waits_for_rest"),
        next_line.label("next_line"),
        active_activation.label("activation_id"),
        *(column.label(f"fleet_{column.name}") for column in fleet_stamp.c),
        *lane_columns,
        source.c.name.label("source_name"),
        asset.c.id.label("a_id"),
        asset.c.name.label("a_name"),
        asset.c.serial.label("a_serial"),
        asset.c.asset_tag.label("a_asset_tag"),
        asset.c.state.label("a_state"),
        asset.c.holder.label("a_holder"),
        asset.c.revision.label("a_revision"),
        asset.c.warranty_ends_on.label("a_warranty_ends_on"),
        product.c.id.label("p_id"),
        product.c.manufacturer.label("p_manufacturer"),
        product.c.model.label("p_model"),
        product.c.part_number.label("p_part_number"),
        product.c.sku.label("p_sku"),
        product.c.asset_class.label("p_asset_class"),
        product.c.criticality.label("p_criticality"),
        product.c.unit_cost_cents.label("p_unit_cost_cents"),
        product.c.weight_g.label("p_weight_g"),
        product.c.is_data_bearing.label("p_is_data_bearing"),
        product.c.status.label("p_status"),
        product.c.data_quality.label("p_data_quality"),
        product.c.data_defects.label("p_data_defects"),
        site.c.id.label("s_id"),
        site.c.name.label("s_name"),
        site.c.code.label("s_code"),
        site.c.latitude.label("s_latitude"),
        site.c.longitude.label("s_longitude"),
        site.c.time_zone.label("s_time_zone"),
        site.c.region.label("s_region"),
        site.c.country.label("s_country"),
        site.c.address["state"].as_string().label("s_state"),
        site.c.access_hours.label("s_access_hours"),
        site.c.data_quality.label("s_data_quality"),
        site.c.data_defects.label("s_data_defects"),
        service_class.c.name.label("c_name"),
        service_class.c.maximum_outage_minutes.label("c_maximum_outage_minutes"),
        service_class.c.calendar.label("c_calendar"),
        service_class.c.business_hours.label("c_business_hours"),
        service_class.c.holidays.label("c_holidays"),
        service_class.c.closed_dates.label("c_closed_dates"),
        service_class.c.business_days.label("c_business_days"),
        loan.c.id.label("loan_id"),
        loan.c.reservation_id.label("loan_reservation_id"),
        loan.c.state.label("loan_state"),
        loan.c.due_back_at.label("loan_due_back_at"),
    )
    .select_from(ticket)
    .outerjoin(source, source.c.id == ticket.c.source_id)
    .outerjoin(asset, asset.c.id == ticket.c.asset_id)
    .outerjoin(product, product.c.id == func.coalesce(asset.c.product_id, ticket.c.product_id))
    .outerjoin(site, site.c.id == func.coalesce(ticket.c.site_id, asset.c.site_id))
    .join(fleet_stamp, true())
    .outerjoin(service_class, service_class.c.id == site.c.service_class_id)
    .outerjoin(loan, loan.c.ticket_id == ticket.c.id)
)
"""Each ticket with what hangs on it in one row. Binds `line`, whose live reservation `is_reserved` is about."""

TICKETS_STATEMENT = AROUND_TICKETS.where(among_given(ticket.c.id, "ticket_ids"))
"""The same of the tickets with these ids."""


def ticket_of(row: Any) -> TicketFacts:
    """The ticket."""
    return TicketFacts(
        id=row["id"],
        number=row["number"],
        type=row["type"],
        state=row["state"],
        priority=row["priority"],
        title=row["title"],
        description=row["description"],
        category=row["category"],
        requester=row["requester"],
        assignee=row["assignee"],
        asset_hint=row["asset_hint"],
        site_hint=row["site_hint"],
        product_hint=row["product_hint"],
        source=row["source_name"] or "",
        opened_at=row["opened_at"],
        sla_due_at=row["sla_due_at"],
        has_lost=bool(row["has_lost"]),
        known_since=row["created_at"],
    )


def asset_of(row: Any) -> AssetFacts | None:
    """The affected device; None when it is not known."""
    if row["a_id"] is None:
        return None
    return AssetFacts(**{name: row[f"a_{name}"] for name in _ASSET})


def product_of(row: Any) -> ProductFacts | None:
    """The product that is needed; None when it is not known."""
    if row["p_id"] is None:
        return None
    return ProductFacts(
        id=row["p_id"],
        manufacturer=row["p_manufacturer"],
        model=row["p_model"],
        part_number=row["p_part_number"],
        sku=row["p_sku"],
        asset_class=row["p_asset_class"],
        criticality=row["p_criticality"],
        unit_cost_cents=row["p_unit_cost_cents"],
        weight_g=row["p_weight_g"],
        is_data_bearing=row["p_is_data_bearing"],
        status=row["p_status"],
        data_quality=row["p_data_quality"],
        data_defects=row["p_data_defects"],
    )


def site_of(row: Any) -> SiteFacts | None:
    """Where it must go; None when that is not known."""
    if row["s_id"] is None:
        return None
    return SiteFacts(
        id=row["s_id"],
        name=row["s_name"],
        code=row["s_code"],
        latitude=row["s_latitude"],
        longitude=row["s_longitude"],
        time_zone=row["s_time_zone"],
        region=row["s_region"],
        country=row["s_country"],
        state=row["s_state"],
        access_hours=row["s_access_hours"],
        data_quality=row["s_data_quality"],
        data_defects=row["s_data_defects"],
    )


def service_class_of(row: Any) -> ServiceClassFacts | None:
    """The site's service class; None when it has none."""
    return None if row["c_name"] is None else stated_class({name: row[f"c_{name}"] for name in _CLASS})


_CLASS = (
    "name", "maximum_outage_minutes", "calendar", "business_hours", "holidays", "closed_dates", "business_days",
)  # fmt: skip


_ASSET = ("id", "state", "name", "serial", "asset_tag", "holder", "revision", "warranty_ends_on")


def loan_of(row: Any) -> LoanFacts | None:
    """What was lent to it; None when nothing ever was."""
    if row["loan_id"] is None:
        return None
    return LoanFacts(row["loan_id"], row["loan_reservation_id"], row["loan_state"], row["loan_due_back_at"])


def refusals_of(row: Any) -> dict[str, str]:
    """Approvals that were refused for the ticket, and what is to follow."""
    given: str | None = row["refused_approvals"]
    return dict(sorted(part.split(" ", 1) for part in given.split(","))) if given else {}
