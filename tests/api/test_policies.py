"""Policies over GraphQL: read, activated, rolled back."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from connector.rules.policy.reading import default_policy, default_policy_text
from connector.storage.database.engine import transaction
from connector.storage.policies.policies import activate_policy
from tests.api.conftest import Hub
from tests.factories import NOW

DOCUMENT = (Path(__file__).parents[2] / "graphql/operations/Policies.graphql").read_text()
CHANGED = default_policy_text().replace("hold_minutes: 60", "hold_minutes: 45")
SHIPPED = default_policy().version


@pytest.fixture
async def policies(hub: Hub) -> Hub:
    """An API whose database has the shipped policy, active."""
    async with transaction(hub.engine) as tx:
        await activate_policy(tx, default_policy_text(), author="ada", comment="first", at=NOW)
    return hub


async def run(hub: Hub, operation: str, **variables: Any) -> dict[str, Any]:
    given = {"key": uuid4().hex, **variables}  # another intention, unless said otherwise
    response = await hub.client.post(
        "/graphql", json={"query": DOCUMENT, "operationName": operation, "variables": given}
    )
    answer = response.json()
    assert "errors" not in answer, answer
    data = answer["data"]
    return data if operation == "Policies" else next(iter(data.values()))


async def test_a_document_is_activated_and_rolled_back(policies: Hub):
    done = await run(policies, "ActivatePolicy", text=CHANGED, author="ben", comment="shorter holds")
    again = await run(policies, "ActivatePolicy", version=done["policy"]["version"], author="ben")
    listed = await run(policies, "Policies")
    active = listed["active"]
    version = done["policy"]["version"]

    assert done == {"policy": {"version": version, "isActive": True}, "previous": SHIPPED, "isNew": True, "errors": []}
    assert (again["isNew"], again["previous"]) == (False, version)
    assert (active["version"], active["text"], active["author"], active["comment"]) == (
        version, CHANGED, "ben", "shorter holds",
    )  # fmt: skip
    assert [(edge["node"]["version"], edge["node"]["isActive"]) for edge in listed["policies"]["edges"]] == [
        (version, True), (SHIPPED, False),
    ]  # fmt: skip

    back = await run(policies, "RollbackPolicy", **{"from": version}, author="ben")
    twice = await run(policies, "RollbackPolicy", **{"from": version}, author="ben")
    shipped = (await run(policies, "Policies"))["policies"]["edges"][1]["node"]

    assert (back["policy"], back["previous"]) == ({"version": SHIPPED, "isActive": True}, version)
    assert (twice["policy"], twice["errors"][0]["__typename"]) == (None, "ConflictRefusal")
    assert [item["kind"] for item in shipped["activations"]] == ["CHOICE", "ROLLBACK"]


async def test_a_request_that_is_sent_again_is_answered_as_before_whatever_happened_since(policies: Hub):
    asked = {"text": CHANGED, "author": "ben", "key": "a1"}
    done = await run(policies, "ActivatePolicy", **asked)
    version = done["policy"]["version"]
    left = {"from": version, "author": "ben", "key": "r1"}
    back = await run(policies, "RollbackPolicy", **left)

    again = await run(policies, "ActivatePolicy", **asked)
    back_again = await run(policies, "RollbackPolicy", **left)
    other = await run(policies, "RollbackPolicy", **{**left, "from": SHIPPED})

    assert (again["errors"], again["previous"], again["isNew"]) == ([], SHIPPED, True)
    assert (back["previous"], back_again) == (version, back)
    assert [(error["__typename"], error["code"]) for error in other["errors"]] == [
        ("InvalidInputRefusal", "INVALID_INPUT")
    ]
    assert (await run(policies, "Policies"))["active"]["version"] == SHIPPED


async def test_refusals_are_typed_and_the_active_policy_stays(policies: Hub):
    failing = CHANGED.partition("\ntests:")[0] + "\ntests: [{name: wrong, expect: {rule: hardware}}]\n"
    invalid = await run(policies, "ActivatePolicy", text="name: x\nrules: []", author="ben")
    failed = await run(policies, "ActivatePolicy", text=failing, author="ben")
    neither = await run(policies, "ActivatePolicy", author="ben")
    nobody = await run(policies, "ActivatePolicy", text=CHANGED, author=" ")
    unknown = await run(policies, "ActivatePolicy", version="nosuch", author="ben")
    bottom = await run(policies, "RollbackPolicy", **{"from": SHIPPED}, author="ben")

    refused = [invalid, failed, neither, nobody, unknown, bottom]
    assert [answer["errors"][0]["__typename"] for answer in refused] == [
        "InvalidDraftRefusal", "PolicyTestsFailedRefusal", "InvalidInputRefusal", "InvalidInputRefusal",
        "NotFoundRefusal", "IllegalTransitionRefusal",
    ]  # fmt: skip
    assert [answer["policy"] for answer in refused] == [None] * 6
    assert len(invalid["errors"][0]["problems"]) == 2
    assert failed["errors"][0]["problems"] == ["wrong: rule: expected hardware, got null"]
    assert (await run(policies, "Policies"))["active"]["version"] == SHIPPED

    forced = await run(policies, "ActivatePolicy", text=failing, author="ben", force="the test is wrong")
    node = (await run(policies, "Policies"))["policies"]["edges"][0]["node"]

    assert (forced["isNew"], forced["errors"]) == (True, [])
    assert node["activations"][0]["forcedBecause"] == "the test is wrong"


async def test_a_policy_whose_supplier_is_ordered_from_through_no_source_is_refused(policies: Hub):
    supplier = "  suppliers:\n    acme: {offers: [purchase], lead_hours: 24, via: buyers}\n"
    wrong = default_policy_text().replace("  suppliers:\n", supplier, 1)

    refused = await run(policies, "ActivatePolicy", text=wrong, author="ben")

    [error] = refused["errors"]
    assert error["code"] == "INVALID_POLICY"
    assert (
        "sourcing.suppliers.acme.via: there is no source 'buyers'; those that take orders are: none"
        in (error["message"])
    )


async def test_without_any_policy_there_is_none(hub: Hub):
    assert await run(hub, "Policies") == {"active": None, "policies": {"edges": []}}
    assert await hub.query('{ policy(version: "nosuch") { id } }') == {"policy": None}
