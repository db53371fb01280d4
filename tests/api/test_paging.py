from __future__ import annotations

import sqlite3
from datetime import timedelta
from typing import Any

import pytest

from connector.storage.database.engine import transaction
from tests.api.conftest import Hub
from tests.factories import NOW, make_asset, make_hub, make_product, make_site, make_source, make_spares, make_ticket

TICKETS = """
query ($first: Int, $after: String, $last: Int, $before: String, $orderBy: [TicketOrder!]) {
  tickets(first: $first, after: $after, last: $last, before: $before, orderBy: $orderBy) {
    totalCount
    edges { cursor node { number } }
    pageInfo { hasNextPage hasPreviousPage startCursor endCursor }
  }
}
"""


async def five_tickets(hub: Hub) -> None:
    """Priorities P2, P1, none, P1, P2; the third was never opened."""
    async with transaction(hub.engine) as tx:
        source = await make_source(tx)
        for number, (priority, opened) in enumerate(
            [("P2", 3), ("P1", 1), (None, None), ("P1", 2), ("P2", 4)], start=1
        ):
            opened_at = NOW + timedelta(hours=opened) if opened else None
            await make_ticket(tx, source_id=source, number=f"T{number}", priority=priority, opened_at=opened_at)


async def pages(hub: Hub, size: int, *, backward: bool = False, order: Any = None) -> list[list[str]]:
    """The numbers on each page, in the order of fetching."""
    found: list[list[str]] = []
    variables: dict[str, Any] = {"last" if backward else "first": size, "orderBy": order}
    while True:
        tickets = (await hub.query(TICKETS, **variables))["tickets"]
        assert tickets["totalCount"] == 5
        found.append([edge["node"]["number"] for edge in tickets["edges"]])
        info = tickets["pageInfo"]
        if not info["hasPreviousPage" if backward else "hasNextPage"]:
            return found
        variables["before" if backward else "after"] = info["startCursor" if backward else "endCursor"]


async def test_pages_follow_each_other_forward_and_backward(hub: Hub):
    await five_tickets(hub)

    assert await pages(hub, 2) == [["T1", "T2"], ["T3", "T4"], ["T5"]]
    assert await pages(hub, 2, backward=True) == [["T4", "T5"], ["T2", "T3"], ["T1"]]


@pytest.mark.parametrize(
    ("order", "expected"),
    [
        ([{"field": "PRIORITY"}, {"field": "OPENED_AT", "direction": "DESC"}], ["T4", "T2", "T5", "T1", "T3"]),
        ([{"field": "PRIORITY", "direction": "DESC"}], ["T5", "T1", "T4", "T2", "T3"]),
        ([{"field": "OPENED_AT"}], ["T2", "T4", "T1", "T5", "T3"]),
        ([{"field": "OPENED_AT", "direction": "DESC"}], ["T5", "T1", "T4", "T2", "T3"]),
        ([{"field": "PRIORITY"}, {"field": "NUMBER"}], ["T2", "T4", "T1", "T5", "T3"]),
    ],
)
async def test_any_ordering_can_be_paged_through_with_missing_values_last(hub: Hub, order: Any, expected: list[str]):
    await five_tickets(hub)

    for size in (1, 2, 3, 5):
        for backward in (False, True):
            found = await pages(hub, size, backward=backward, order=order)
            in_order = reversed(found) if backward else found
            assert [number for page in in_order for number in page] == expected, (size, backward)


async def test_a_page_goes_on_behind_a_row_that_is_gone_and_sees_new_rows(hub: Hub):
    await five_tickets(hub)
    first = (await hub.query(TICKETS, first=2))["tickets"]
    async with transaction(hub.engine) as tx:
        from sqlalchemy import delete

        from connector.storage import tables

        await tx.execute(delete(tables.ticket).where(tables.ticket.c.number == "T2"))
        await make_ticket(tx, source_id=1, number="T6")

    rest = (await hub.query(TICKETS, first=5, after=first["pageInfo"]["endCursor"]))["tickets"]

    assert [edge["node"]["number"] for edge in rest["edges"]] == ["T3", "T4", "T5", "T6"]
    assert rest["pageInfo"]["hasPreviousPage"] is True


async def test_an_empty_page_has_no_cursors(hub: Hub):
    tickets = (await hub.query(TICKETS))["tickets"]

    assert tickets == {
        "totalCount": 0,
        "edges": [],
        "pageInfo": {"hasNextPage": False, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
    }


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({"first": 501}, "first: 501 below 'tickets' is not between 0 and 500"),
        ({"first": -1}, "first: -1 below 'tickets' is not between 0 and 500"),
        ({"last": 501}, "last: 501 below 'tickets' is not between 0 and 500"),
        ({"first": 1, "last": 1}, "both first (1) and last (1) are given below 'tickets'"),
        ({"after": "nonsense"}, "cursor 'nonsense' is not one of ours"),
        ({"after": ""}, "cursor '' is not one of ours"),
        ({"after": "WyJ0aWNrZXQ6aWQiLCJ0ZXh0Il0"}, "cursor 'WyJ0aWNrZXQ6aWQiLCJ0ZXh0Il0' is not one of ours"),
        (
            {"after": "WyJ0aWNrZXQ6LWlkIiwxXQ"},
            "cursor 'WyJ0aWNrZXQ6LWlkIiwxXQ' belongs to another ordering or another kind of thing",
        ),
        (
            {"orderBy": [{"field": "TITLE"}, {"field": "TITLE"}]},
            "ordering of ticket names title twice",
        ),
    ],
)
async def test_paging_that_cannot_be_is_refused(hub: Hub, variables: dict[str, Any], message: str):
    error = await hub.error(TICKETS, **variables)

    assert error["message"] == message
    assert error["extensions"]["code"] == "INVALID_INPUT"


@pytest.mark.parametrize("order", ["", ", orderBy: [{field: NAME, direction: DESC}]"])
async def test_a_cursor_of_another_kind_of_thing_is_refused_in_the_same_ordering(hub: Hub, order: str):
    async with transaction(hub.engine) as tx:
        site = await make_site(tx, name="A")
        await make_hub(tx, name="B")
        await make_asset(tx, name="C", site_id=site)
    names = ("sites", "hubs", "assets")
    found = await hub.query(f"{{ {' '.join(f'{name}(first: 1{order}) {{ edges {{ cursor }} }}' for name in names)} }}")
    cursors = {name: found[name]["edges"][0]["cursor"] for name in names}

    told = {}
    for name in names:
        for whose, cursor in cursors.items():
            page = f'(after: "{cursor}"{order}) {{ nodes {{ name }} }}'
            answer = await hub.execute(f"{{ {name}{page} }}")
            told[name, whose] = [error["message"] for error in answer.get("errors", [])]
    inner = await hub.execute(
        f'{{ sites {{ nodes {{ assets(after: "{cursors["sites"]}"{order}) {{ nodes {{ id }} }} }} }} }}'
    )

    assert told == {
        (name, whose): []
        if name == whose
        else [f"cursor '{cursors[whose]}' belongs to another ordering or another kind of thing"]
        for name in names
        for whose in names
    }
    assert [(error["path"], error["extensions"]) for error in inner["errors"]] == [
        (
            ["sites"],
            {
                "code": "INVALID_INPUT",
                "hint": "Keep `orderBy` the same from page to page, or leave the cursor out and begin again.",
            },
        )
    ]


async def test_an_inner_list_has_a_page_of_its_own_for_each_parent(hub: Hub):
    async with transaction(hub.engine) as tx:
        sites = [await make_site(tx, name=name) for name in ("A", "B", "C")]
        for site, count in zip(sites, (3, 1, 0), strict=True):
            for number in range(count):
                await make_asset(tx, site_id=site, name=f"{'ABC'[sites.index(site)]}{number}")

    data = await hub.query(
        """{ sites(orderBy: [{field: NAME}]) { nodes {
          name
          few: assets(first: 2, orderBy: [{field: NAME, direction: DESC}]) {
            totalCount nodes { name } pageInfo { hasNextPage endCursor }
          }
          only: assets(filter: {name: {eq: "A0"}}) { edges { node { name } } }
          counted: assets { totalCount }
        } } }"""
    )

    a, b, c = data["sites"]["nodes"]
    assert [node["name"] for node in a["few"]["nodes"]] == ["A2", "A1"]
    assert (a["few"]["totalCount"], a["few"]["pageInfo"]["hasNextPage"]) == (3, True)
    assert a["only"]["edges"] == [{"node": {"name": "A0"}}]
    assert [node["name"] for node in b["few"]["nodes"]] == ["B0"]
    assert (b["few"]["totalCount"], b["few"]["pageInfo"]["hasNextPage"], b["only"]["edges"]) == (1, False, [])
    assert (c["few"]["totalCount"], c["few"]["nodes"], c["counted"]["totalCount"]) == (0, [], 0)

    rest = await hub.query(
        """query ($after: String) { sites(filter: {name: {eq: "A"}}) { nodes {
          assets(first: 2, after: $after, orderBy: [{field: NAME, direction: DESC}]) { nodes { name } }
        } } }""",
        after=a["few"]["pageInfo"]["endCursor"],
    )
    assert rest["sites"]["nodes"][0]["assets"]["nodes"] == [{"name": "A0"}]


async def test_a_query_for_too_many_rows_is_refused_before_it_runs(hub: Hub):
    error = await hub.error("{ sites(first: 500) { nodes { assets(first: 500) { nodes { name } } } } }")

    assert error["message"] == (
        "this query may cost 250,500, more than the 50,000 that are allowed; "
        "its dearest part is 'sites.nodes.assets' with 250,000"
    )
    assert error["extensions"]["code"] == "QUERY_TOO_COSTLY"


async def test_retired_things_are_left_out_of_lists_but_not_of_relations(hub: Hub):
    async with transaction(hub.engine) as tx:
        site = await make_site(tx, name="Gone", retired_at=NOW)
        await make_site(tx, name="Here")
        await make_asset(tx, name="dev", site_id=site)
        product = await make_product(tx)
        await make_spares(tx, hub_id=await make_hub(tx), product_id=product, count=1)

    data = await hub.query(
        """{
          here: sites { nodes { name } }
          all: sites(includeRetired: true) { totalCount nodes { name } }
          assets(filter: {name: {eq: "dev"}}) { nodes { site { name retiredAt } } }
        }"""
    )

    assert data["here"]["nodes"] == [{"name": "Here"}]
    assert data["all"] == {"totalCount": 2, "nodes": [{"name": "Gone"}, {"name": "Here"}]}
    assert data["assets"]["nodes"] == [{"site": {"name": "Gone", "retiredAt": "2026-11-25T09:00:00Z"}}]


async def test_what_sqlite_cannot_read_for_its_depth_is_refused_and_not_an_internal_error(hub: Hub):
    async with transaction(hub.engine) as tx:
        site = await make_site(tx, name="x")
        for serial in ("S1", "S2"):
            await make_asset(tx, serial=serial, site_id=site)

    def nested(levels: int) -> str:
        below = "assets(last: 2) { nodes { serial } }"
        for _ in range(levels):
            below = f"assets(last: 2) {{ nodes {{ site {{ {below} }} }} }}"
        return f"{{ {below} }}"

    usual, deepest = await hub.query(nested(2)), await hub.execute(nested(3))
    there = [{"serial": "S1"}, {"serial": "S2"}]
    assert usual["assets"]["nodes"][0]["site"]["assets"]["nodes"][1]["site"]["assets"]["nodes"] == there
    if hub.engine.dialect.name == "sqlite" and sqlite3.sqlite_version_info < (3, 46):  # later ones have no such limit
        (error,) = deepest["errors"]
        assert error["message"] == "the query and its filters are nested more deeply than SQLite can read"
        assert error["extensions"]["code"] == "QUERY_TOO_DEEP"
    else:
        sites = [node["site"] for node in deepest["data"]["assets"]["nodes"]]
        assert sites == [usual["assets"]["nodes"][0]["site"] | {"assets": usual["assets"]}] * 2
