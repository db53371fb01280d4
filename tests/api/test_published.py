"""What `graphql/` publishes: the schema as it is, and operations that work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from graphql import (
    GraphQLInputObjectType,
    GraphQLNonNull,
    GraphQLSchema,
    OperationDefinitionNode,
    OperationType,
    build_schema,
    get_named_type,
    parse,
    validate,
)

from connector.api.schema import export
from connector.rules.policy.reading import default_policy_text
from tests.api.conftest import Hub, connected, served
from tests.api.seed import Seeded, seed

PUBLISHED = Path(__file__).parents[2] / "graphql"
DOCUMENTS = sorted((PUBLISHED / "operations").glob("*.graphql"))
SUBSCRIPTIONS = {
    "ShipmentStatus": [("pending", None), ("in_transit", "pending"), ("in_transit", "in_transit")],
    "Reservations": [("held", None), ("committed", "held")],
    "Tickets": [("new", None)],
    "Tasks": [("open", None)],
    "ApprovalEvents": [("pending", None)],
    "RolloutProgress": [("draft", None), ("planned", "draft")],
}


def variables(seeded: Seeded) -> dict[str, dict[str, Any]]:
    """What each query is run with."""
    return {
        "TicketDesk": {"id": seeded.id("Ticket")},
        "SiteOverview": {"id": seeded.id("Site")},
        "HubBoard": {"id": seeded.id("Hub")},
        "Pickups": {"hub": seeded.id("Hub")},
        "TrackReplacement": {"number": "INC-1"},
        "TrackReservation": {"id": seeded.id("Reservation")},
        "ServiceDesk": {"region": "EU"},
        "StockNearby": {
            "point": {"type": "Point", "coordinates": [13.4, 52.5]},
            "withinKm": 300,
            "product": seeded.id("Product"),
        },
        "TechnicianTasks": {"me": "ada", "hub": seeded.id("Hub")},
        "ExecutiveMeasures": {
            "since": "2026-11-01T00:00:00Z",
            "until": "2026-12-01T00:00:00Z",
            "timeZone": "Europe/Berlin",
        },
        "SourceHealth": {},
        "Policies": {"first": 5},
        "Approvals": {"first": 5},
        "RedChannels": {"first": 5},
        "Rollouts": {"first": 5},
        "Procurements": {"first": 5},
        "BreakGlassUse": {},
        "SyncPlans": {"first": 5},
        "SyncPlanPage": {"plan": seeded.id("SyncPlan")},
        "SyncRuns": {"source": "itsm"},
        "Placements": {"region": "EU", "productId": seeded.id("Product")},
        "IncidentGroups": {"first": 5},
        "NameAliases": {"first": 5},
        "AliasSuggestions": {"first": 5},
        "AssetMerges": {"first": 5},
        "IdentityReviews": {"first": 5},
        "FieldConflicts": {"first": 5},
        "FieldOverrides": {"first": 5},
        "ExplainMatch": {"source": "cmdb", "externalId": "nothing"},
        "DataQuality": {"siteId": seeded.id("Site"), "by": "PRODUCT"},
        "DataQualityRecords": {"measure": "ASSET_OF_UNKNOWN_MODEL"},
        "DataQualityTrend": {"siteId": seeded.id("Site")},
        "Loans": {"first": 5},
        "Replenishments": {"first": 5, "states": ["PROPOSED"]},
        "Returns": {"first": 5},
        "TicketStatistics": {"since": "2026-01-01T00:00:00Z", "timeZone": "Europe/Berlin"},
        "QuarantineList": {"source": seeded.id("Source")},
        "LowStock": {"region": "EU"},
        "SearchAssets": {"text": "foc"},
        "ExplainTicket": {"ticket": seeded.id("Ticket")},
        "WhatIf": {
            "draft": {
                "priority": "P1",
                "category": "hardware",
                "productId": seeded.id("Product"),
                "siteId": seeded.id("Site"),
            },
            "policy": default_policy_text(),
        },
    }


ANSWERS: dict[str, Any] = {
    "Procurements": lambda data: (
        data["procurements"]
        == {
            "edges": [],
            "pageInfo": {"hasNextPage": False, "endCursor": None},
        }
    ),
    "TicketDesk": lambda data: (
        data["ticket"]["decision"]["explanation"]["chosen"]["hub"] == "Berlin"
        and data["ticket"]["shipments"][0]["events"][0]["status"] == "PICKED_UP"
    ),
    "SiteOverview": lambda data: (
        data["site"]["assets"]["totalCount"] == 1
        and [ticket["number"] for ticket in data["site"]["openTickets"]["nodes"]] == ["INC-1"]
        and data["site"]["serviceClass"]["maximumOutage"] == "PT4H"
    ),
    "HubBoard": lambda data: (
        [task["title"] for task in data["hub"]["tasks"]["nodes"]] == ["Pick up"]
        and [shelf["free"] for shelf in data["hub"]["stock"]["nodes"]] == [2, 2]
        and [(parcel["trackingNumber"], parcel["site"]) for parcel in data["hub"]["outgoing"]["nodes"]]
        == [("1Z1", {"name": "Hamburg"})]
        and data["incoming"] == {"totalCount": 0, "nodes": []}
    ),
    "TrackReplacement": lambda data: data["ticket"]["shipments"][0]["trackingNumber"] == "1Z1",
    "TrackReservation": lambda data: (
        data["reservation"]["state"] == "COMMITTED"
        and [parcel["status"] for parcel in data["reservation"]["shipments"]] == ["IN_TRANSIT"]
    ),
    "ServiceDesk": lambda data: (
        [
            (
                ticket["number"],
                ticket["slaDueAt"],
                ticket["decision"]["explanation"]["text"],
                ticket["shipments"][0]["status"],
            )
            for ticket in data["tickets"]["nodes"]
        ]
        == [("INC-1", "2026-11-25T13:00:00Z", "from Berlin by courier", "IN_TRANSIT")]
    ),
    "StockNearby": lambda data: (
        [(hub["name"], [shelf["free"] for shelf in hub["stock"]["nodes"]]) for hub in data["hubs"]["nodes"]]
        == [("Berlin", [2])]
    ),
    "TechnicianTasks": lambda data: (
        data["mine"] == {"totalCount": 0, "nodes": []}
        and [(task["title"], task["ticket"]["number"]) for task in data["free"]["nodes"]] == [("Pick up", "INC-1")]
    ),
    "ExecutiveMeasures": lambda data: (
        [(group["key"], group["count"]) for group in data["overdue"]["groups"]]
        == [({"region": "EU", "priority": "P1"}, 1)]
        and [(group["key"]["currency"], group["sum"]) for group in data["freight"]["groups"]]
        == [("EUR", {"costCents": 1250})]
        and [(group["key"]["outcome"], group["key"]["reason"], group["count"]) for group in data["decisions"]["groups"]]
        == [("reserve", "sourced", 1)]
    ),
    "SourceHealth": lambda data: data["sources"]["nodes"][0]["quarantine"]["totalCount"] == 1,
    "Policies": lambda data: (data["active"], data["policies"]["edges"]) == (None, []),
    "Approvals": lambda data: (
        [(node["title"], node["roles"], node["votes"]) for node in data["approvals"]["nodes"]]
        == [("Approve it", ["approver"], [])]
        and data["me"] == {"name": "api", "roles": ["admin"]}
    ),
    "RedChannels": lambda data: data["redChannels"]["nodes"] == [],
    "NameAliases": lambda data: data["nameAliases"]["nodes"] == [],
    "AliasSuggestions": lambda data: data["aliasSuggestions"]["nodes"] == [],
    "AssetMerges": lambda data: data["assetMerges"]["nodes"] == [],
    "IdentityReviews": lambda data: data["identityReviews"]["nodes"] == [],
    "FieldConflicts": lambda data: data["fieldConflicts"]["nodes"] == [],
    "FieldOverrides": lambda data: data["fieldOverrides"]["nodes"] == [],
    "ExplainMatch": lambda data: [error["code"] for error in data["explainMatch"]["errors"]] == ["NOT_FOUND"],
    "IncidentGroups": lambda data: data["incidentGroups"] == {"totalCount": 0, "nodes": []},
    "TicketStatistics": lambda data: (
        [(group["key"]["openedAt"], group["count"]) for group in data["ticketAggregate"]["groups"]]
        == [("2026-11-24T23:00:00Z", 1)]
    ),
    "Loans": lambda data: data["loans"] == {"totalCount": 0, "nodes": []},
    "Replenishments": lambda data: data["replenishments"] == {"totalCount": 0, "nodes": []},
    "Pickups": lambda data: (
        [
            (node["state"], [parcel["status"] for parcel in node["shipments"]["nodes"]])
            for node in data["pickups"]["nodes"]
        ]
        == [("ORDERED", ["IN_TRANSIT"])]
        and data["waiting"] == {"totalCount": 0, "nodes": []}
    ),
    "Returns": lambda data: data["rmas"] == {"totalCount": 0, "nodes": []},
    "Rollouts": lambda data: (
        data["rollouts"]["nodes"][0]["waves"] == [{"number": 1, "counts": [{"state": "PLANNED", "lines": 1}]}]
        and data["rollouts"]["nodes"][0]["lines"]["nodes"][0]["hub"] == {"name": "Berlin"}
    ),
    "Placements": lambda data: (
        [(node["product"], node["inUse"], node["stands"], node["belongs"]) for node in data["placements"]["nodes"]]
        == [("Acme Switch 48", 1, [{"tier": "REGIONAL", "units": 2}], "REGIONAL")]
    ),
    "DataQuality": lambda data: (
        data["dataQuality"]["lastMeasuredOn"] is None
        and data["dataQuality"]["score"] == {"defects": 1, "records": 2, "percent": 50}
        and [(part["name"], part["defects"]) for part in data["dataQuality"]["parts"]["nodes"]]
        == [("Acme Switch 48", 2)]
    ),
    "DataQualityRecords": lambda data: data["dataQuality"]["records"]["totalCount"] == 3,
    "DataQualityTrend": lambda data: (
        {(trend["measure"], len(trend["days"])) for trend in data["dataQualityTrend"]} >= {(None, 0)}
    ),
    "BreakGlassUse": lambda data: data["breakGlassUse"] == [],
    "SyncPlans": lambda data: [plan["streams"][0]["updated"] for plan in data["syncPlans"]["nodes"]] == [3],
    "SyncPlanPage": lambda data: data["syncPlanPage"]["pageCount"] == 0,
    "SyncRuns": lambda data: [run["duration"] for run in data["syncRuns"]["nodes"]] == ["PT1M30S"],
    "QuarantineList": lambda data: data["quarantine"]["nodes"][0]["reason"] == "priority 'urgent' is not known",
    "LowStock": lambda data: [shelf["product"]["model"] for shelf in data["stock"]["nodes"]] == ["Bracket"],
    "SearchAssets": lambda data: [edge["node"]["serial"] for edge in data["assets"]["edges"]] == ["FOC1"],
    "ExplainTicket": lambda data: data["explain"]["outcome"] == "reserve",
    "WhatIf": lambda data: (
        data["whatIf"]["explanation"]["outcome"] == "reserve" and data["whatIf"]["active"]["policyVersion"]
    ),
}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((PUBLISHED / "schema.graphql").read_text(encoding="utf-8"))


def operations(document: Path) -> list[OperationDefinitionNode]:
    parsed = parse(document.read_text(encoding="utf-8"))
    return [node for node in parsed.definitions if isinstance(node, OperationDefinitionNode)]


def test_the_published_schema_is_that_of_the_code():
    assert (PUBLISHED / "schema.graphql").read_text(encoding="utf-8") == export(), (
        "the schema has changed: look at the difference, then write it with `make schema`"
    )


def test_graphql_holds_no_python():
    assert list(PUBLISHED.rglob("*.py")) == []


def test_every_mutation_takes_an_idempotency_key(schema: GraphQLSchema):
    """A list of acts has one for each act."""
    assert schema.mutation_type is not None
    without = []
    for name, field in schema.mutation_type.fields.items():
        given = get_named_type(field.args["input"].type)
        assert isinstance(given, GraphQLInputObjectType)
        acts = get_named_type(given.fields["acts"].type) if "acts" in given.fields else given
        key = acts.fields.get("idempotencyKey") if isinstance(acts, GraphQLInputObjectType) else None
        if key is None or not isinstance(key.type, GraphQLNonNull):
            without.append(name)

    assert without == []


PLAIN_NAMES = frozenset({"id", "ids", "input", "ticketId", "number", "name"})
"""Arguments of root fields that say by their name what they are."""


def documented(schema: GraphQLSchema) -> Iterator[tuple[str, str | None]]:
    """Everything that a client may use: where it is, and what is said of it."""
    roots = {type_.name for type_ in (schema.query_type, schema.mutation_type, schema.subscription_type) if type_}
    for name, type_ in schema.type_map.items():
        if name.startswith("__"):
            continue
        if name not in roots:
            yield name, type_.description
        for each, field in getattr(type_, "fields", {}).items():
            yield f"{name}.{each}", field.description
            for argument, given in getattr(field, "args", {}).items():
                said = "its name says it" if name in roots and argument in PLAIN_NAMES else given.description
                yield f"{name}.{each}({argument})", said
        for each, value in getattr(type_, "values", {}).items():
            yield f"{name}.{each}", value.description
    for directive in schema.directives:
        yield f"@{directive.name}", directive.description
        for argument, given in directive.args.items():
            yield f"@{directive.name}({argument})", given.description


def test_everything_in_the_schema_is_described(schema: GraphQLSchema):
    assert [place for place, said in documented(schema) if not said] == []


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.stem)
def test_a_published_document_fits_the_schema_and_is_named_like_its_file(document: Path, schema: GraphQLSchema):
    assert validate(schema, parse(document.read_text(encoding="utf-8"))) == []
    names = [operation.name.value for operation in operations(document) if operation.name]
    assert len(names) == len(operations(document))
    if len(names) == 1:
        assert names == [document.stem]


def test_every_published_query_and_subscription_is_run():
    queries = {
        operation.name.value
        for document in DOCUMENTS
        for operation in operations(document)
        if operation.operation is not OperationType.MUTATION and operation.name
    }

    assert queries == ANSWERS.keys() | SUBSCRIPTIONS.keys()


@pytest.mark.parametrize("name", ANSWERS)
async def test_a_published_query_answers(name: str, hub: Hub):
    seeded = await seed(hub.engine)
    text = (PUBLISHED / "operations" / f"{name}.graphql").read_text(encoding="utf-8")

    data = await hub.query(text, name, **variables(seeded)[name])

    assert ANSWERS[name](data), data


@pytest.mark.parametrize("name", SUBSCRIPTIONS)
async def test_a_published_subscription_tells_what_happened_after_a_cursor(name: str, hub: Hub):
    seeded = await seed(hub.engine)
    text = (PUBLISHED / "operations" / f"{name}.graphql").read_text(encoding="utf-8")
    await hub.feed.now()

    async with served(hub.app) as address, connected(address) as client:
        only = {
            "ShipmentStatus": {"site": seeded.id("Site")},
            "Tickets": {"site": seeded.id("Site")},
            "RolloutProgress": {},
        }
        await client.subscribe(text, after="0", **only.get(name, {"hub": seeded.id("Hub")}))
        events = [await client.event() for _ in SUBSCRIPTIONS[name]]

    assert [(event["after"].lower(), event["before"] and event["before"].lower()) for event in events] == (
        SUBSCRIPTIONS[name]
    )
