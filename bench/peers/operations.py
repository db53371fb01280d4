"""The operations that are measured, once in GraphQL and once as a hand-written statement.

Connector, strawberry, ariadne and mercurius get the same document. PostGraphile names things by its tables: aliases
make its answers the same but for instants (`.000000+00:00` instead of `Z`) and enums, which are texts in the tables
(`in_transit` instead of `IN_TRANSIT`): `as_of_ours` maps both.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

ENUMS = frozenset({"type", "state", "status", "direction", "lane", "priority"})
_INSTANT = re.compile(r"(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\.000000\+00:00")


@dataclass(frozen=True)
class Operation:
    """One query. variables: with which it is asked in turn, as portals do that show one thing after the other.

    postgraphile: None where it cannot be asked for. sql: one statement whose only value is the whole answer, with
    psycopg's named parameters.

    asks_one: the variable `id` is the id of a ticket, in each server's own form.
    """

    name: str
    document: str
    variables: Sequence[Mapping[str, Any]]
    postgraphile: str | None
    sql: str
    asks_one: bool = False


_TICKET = "number title type priority state category requester quantity openedAt slaDueAt"
_ASSET = "name serial assetTag state lane"
_SITE = "name code country timeZone latitude longitude"
_SHIPMENT = "trackingNumber status direction carrier service costCents"

_TICKET_SQL = """t.number, t.title, upper(t.type) AS type, t.priority, upper(t.state) AS state, t.category, t.requester,
    t.quantity, to_char(t.opened_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "openedAt",
    to_char(t.sla_due_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"') AS "slaDueAt" """
_BELOW_SQL = """
    (SELECT row_to_json(a) FROM (SELECT asset.name, asset.serial, asset.asset_tag AS "assetTag",
        upper(asset.state) AS state, upper(asset.lane) AS lane FROM asset WHERE asset.id = t.asset_id) AS a) AS asset,
    (SELECT row_to_json(s) FROM (SELECT site.name, site.code, site.country, site.time_zone AS "timeZone",
        site.latitude, site.longitude FROM site WHERE site.id = t.site_id) AS s) AS site,
    (SELECT coalesce(json_agg(row_to_json(p)), '[]') FROM (
        SELECT shipment.tracking_number AS "trackingNumber", upper(shipment.status) AS status,
            upper(shipment.direction) AS direction, shipment.carrier, shipment.service,
            shipment.cost_cents AS "costCents"
        FROM shipment WHERE shipment.ticket_id = t.id ORDER BY shipment.id) AS p) AS shipments"""


def _answer(field: str, rows: str) -> str:
    """A statement for the whole answer: a page of rows below a field."""
    return (
        f"SELECT json_build_object('data', json_build_object('{field}', json_build_object('nodes', "
        f"coalesce(json_agg(row_to_json(r)), '[]')))) FROM ({rows}) AS r"
    )


OPERATIONS: tuple[Operation, ...] = (
    Operation(
        name="tickets",
        document=f"""query Tickets($first: Int!) {{ tickets(first: $first) {{ nodes {{
            {_TICKET} asset {{ {_ASSET} }} site {{ {_SITE} }} shipments {{ {_SHIPMENT} }} }} }} }}""",
        variables=[{"first": 100}],
        postgraphile=f"""query Tickets($first: Int!) {{ tickets: allTickets(first: $first) {{ nodes {{
            {_TICKET} asset: assetByAssetId {{ {_ASSET} }} site: siteBySiteId {{ {_SITE} }}
            shipments: shipmentsByTicketIdList {{ {_SHIPMENT} }} }} }} }}""",
        sql=_answer(
            "tickets",
            f"SELECT {_TICKET_SQL}, {_BELOW_SQL} FROM (SELECT * FROM ticket WHERE retired_at IS NULL ORDER BY id "
            "LIMIT %(first)s) AS t ORDER BY t.id",
        ),
    ),
    Operation(
        name="tree",
        document="""query Tree($sites: Int!, $assets: Int!, $tickets: Int!) { sites(first: $sites) { nodes {
            name code assets(first: $assets) { nodes { name serial tickets(first: $tickets) { nodes {
            number title state shipments { trackingNumber status } } } } } } } }""",
        variables=[{"sites": 10, "assets": 10, "tickets": 5}],
        postgraphile="""query Tree($sites: Int!, $assets: Int!, $tickets: Int!) { sites: allSites(first: $sites) {
            nodes { name code assets: assetsBySiteId(first: $assets) { nodes { name serial
            tickets: ticketsByAssetId(first: $tickets) { nodes { number title state
            shipments: shipmentsByTicketIdList { trackingNumber status } } } } } } } }""",
        sql=_answer(
            "sites",
            """SELECT s.name, s.code,
                (SELECT json_build_object('nodes', coalesce(json_agg(row_to_json(a)), '[]')) FROM (
                SELECT asset.name, asset.serial,
                    (SELECT json_build_object('nodes', coalesce(json_agg(row_to_json(t)), '[]')) FROM (
                        SELECT ticket.number, ticket.title, upper(ticket.state) AS state,
                            (SELECT coalesce(json_agg(row_to_json(p)), '[]') FROM (
                                SELECT shipment.tracking_number AS "trackingNumber", upper(shipment.status) AS status
                                FROM shipment WHERE shipment.ticket_id = ticket.id ORDER BY shipment.id) AS p
                            ) AS shipments
                        FROM ticket WHERE ticket.asset_id = asset.id AND ticket.retired_at IS NULL ORDER BY ticket.id
                        LIMIT %(tickets)s) AS t) AS tickets
                FROM asset WHERE asset.site_id = s.id AND asset.retired_at IS NULL ORDER BY asset.id
                LIMIT %(assets)s) AS a) AS assets
            FROM (SELECT * FROM site WHERE retired_at IS NULL ORDER BY id LIMIT %(sites)s) AS s ORDER BY s.id""",
        ),
    ),
    Operation(
        name="filtered",
        document=f"""query Filtered($first: Int!, $state: TicketState!, $priority: Priority!) {{
            tickets(first: $first, filter: {{ state: {{ eq: $state }}, priority: {{ eq: $priority }} }},
                    orderBy: [{{ field: OPENED_AT, direction: DESC }}]) {{
            nodes {{ {_TICKET} site {{ name code }} }} }} }}""",
        variables=[
            {"first": 20, "state": state, "priority": priority}
            for state in ("NEW", "IN_PROGRESS", "RESOLVED")
            for priority in ("P1", "P2", "P3", "P4")
        ],
        postgraphile=f"""query Filtered($first: Int!, $state: String!, $priority: String!) {{
            tickets: allTickets(first: $first, condition: {{ state: $state, priority: $priority }},
                                orderBy: [OPENED_AT_DESC]) {{
            nodes {{ {_TICKET} site: siteBySiteId {{ name code }} }} }} }}""",
        sql=_answer(
            "tickets",
            f"""SELECT {_TICKET_SQL}, (SELECT row_to_json(s) FROM (
                SELECT site.name, site.code FROM site WHERE site.id = t.site_id) AS s) AS site
            FROM (SELECT * FROM ticket WHERE retired_at IS NULL AND state = lower(%(state)s) AND priority = %(priority)s
                  ORDER BY opened_at DESC, id DESC LIMIT %(first)s) AS t ORDER BY t.opened_at DESC, t.id DESC""",
        ),
    ),
    Operation(
        name="single",
        document=f"""query Single($id: ID!) {{ ticket(id: $id) {{
            {_TICKET} asset {{ {_ASSET} }} site {{ {_SITE} }} shipments {{ {_SHIPMENT} }} }} }}""",
        variables=[{"id": 1 + n * 137 % 9_973} for n in range(600)],
        postgraphile=f"""query Single($id: BigInt!) {{ ticket: ticketByRowId(rowId: $id) {{
            {_TICKET} asset: assetByAssetId {{ {_ASSET} }} site: siteBySiteId {{ {_SITE} }}
            shipments: shipmentsByTicketIdList {{ {_SHIPMENT} }} }} }}""",
        sql=(
            "SELECT json_build_object('data', json_build_object('ticket', row_to_json(r))) FROM ("
            f"SELECT {_TICKET_SQL}, {_BELOW_SQL} FROM ticket AS t WHERE t.id = %(id)s) AS r"
        ),
        asks_one=True,
    ),
    Operation(
        name="aggregate",
        document="""query Aggregate($state: TicketState!) {
            ticketAggregate(filter: { state: { eq: $state } }, groupBy: [{ field: PRIORITY }]) {
            groups { key { priority } count } } }""",
        variables=[{"state": state} for state in ("NEW", "IN_PROGRESS", "RESOLVED")],
        postgraphile=None,
        sql="""SELECT json_build_object('data', json_build_object('ticketAggregate',
            json_build_object('groups', coalesce(json_agg(row_to_json(g)), '[]'))))
            FROM (SELECT json_build_object('priority', priority) AS key, count(*) FROM ticket
                  WHERE retired_at IS NULL AND state = lower(%(state)s) GROUP BY priority ORDER BY priority) AS g""",
    ),
)


def as_of_ours(answer: Any, *, key: str = "") -> Any:
    """PostGraphile's answer with instants and enums written as the others write them."""
    match answer:
        case dict():
            return {name: as_of_ours(value, key=name) for name, value in answer.items()}
        case list():
            return [as_of_ours(item, key=key) for item in answer]
        case str() if key in ENUMS:
            return answer.upper()
        case str() if instant := _INSTANT.fullmatch(answer):
            return f"{instant[1]}Z"
        case _:
            return answer
