"""What is deprecated says since when and what to use instead, and nothing that is published uses it."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest
from graphql import DocumentNode, ExecutableDefinitionNode, GraphQLSchema, build_schema, parse

from tests.api.deprecations import breaches, usable, uses

ROOT = Path(__file__).parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]

SAMPLE = """
directive @kept(days: Int @deprecated(reason: "No."), hours: Int) on FIELD

type Query {
  good: Int @deprecated(reason: "Since 0.9: use `better`, or `Thing.best`.")
  better(old: Int @deprecated(reason: "Since 1.2: use `new`."), new: Int): Int
  silent: Int @deprecated
  timeless: Int @deprecated(reason: "Use `better`.")
  useless: Int @deprecated(reason: "Since 1.2: use something else.")
  early: Int @deprecated(reason: "Since 1.3: use `better`.")
  nowhere: Int @deprecated(reason: "Since 1.2: use `best`.")
  elsewhere: Int @deprecated(reason: "Since 1.2: use `Thing.good`.")
  chain: Int @deprecated(reason: "Since 1.2: use `good`.")
  needed(a: Int! @deprecated(reason: "Since 1.2: use `b`."), b: Int): Thing
  filled(a: Int! = 1 @deprecated(reason: "Since 1.2: use `b`."), b: Filter, c: State): Int
}
interface Named { name: String, title: String @deprecated(reason: "Since 1.0: use `name`.") }
type Thing { best: Int }
input Filter {
  near: Int! @deprecated(reason: "Since 1.2: use `around`.")
  far: Int @deprecated(reason: "Since 1.2: use `around`.")
  around: Int
}
enum State {
  DONE @deprecated(reason: "Since 1.2: use `OVER`.")
  OVER
  PAST @deprecated(reason: "Since 1.2: use `DONE`.")
}
"""


def test_each_rule_has_its_breach():
    found = breaches(build_schema(SAMPLE), "1.2.3")

    no_reason = "does not say since when, and what to use instead"
    assert found == [
        f"Query.silent {no_reason}: 'No longer supported'",
        f"Query.timeless {no_reason}: 'Use `better`.'",
        f"Query.useless {no_reason}: 'Since 1.2: use something else.'",
        "Query.early is deprecated since 1.3, and this is 1.2.3",
        "Query.nowhere sends to `best`, which is not there or is deprecated as well",
        "Query.elsewhere sends to `Thing.good`, which is not there or is deprecated as well",
        "Query.chain sends to `good`, which is not there or is deprecated as well",
        "Query.needed(a:) is required: clients cannot leave it out, make it optional first",
        "Filter.near is required: clients cannot leave it out, make it optional first",
        "State.PAST sends to `DONE`, which is not there or is deprecated as well",
        f"@kept(days:) {no_reason}: 'No.'",
    ]


@pytest.mark.parametrize(
    ("document", "place"),
    [
        ("{ good }", "The field Query.good is"),
        ("{ better(old: 1) }", "The argument 'Query.better(old:)' is"),
        ("{ filled(b: {near: 1}) }", "The input field Filter.near is"),
        ("{ filled(c: DONE) }", "The enum value 'State.DONE' is"),
        ("{ missing }", "Cannot query field 'missing'"),
    ],
)
def test_a_document_that_uses_it_is_found(document: str, place: str):
    schema = build_schema(SAMPLE, assume_valid=True)

    assert [message[: len(place)] for message in uses(schema, parse(document))] == [place]
    assert uses(schema, parse("{ better(new: 1) filled(b: {around: 1, near: 2}, c: OVER) }"))[1:] == []


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema((ROOT / "graphql" / "schema.graphql").read_text(encoding="utf-8"))


def test_what_is_deprecated_keeps_the_rules(schema: GraphQLSchema):
    assert breaches(schema, VERSION) == []
    assert {each.place for each in usable(schema) if each.reason} == {
        "Hub.position",
        "Near.latitude",
        "Near.longitude",
        "Site.position",
    }


def published() -> dict[str, DocumentNode]:
    """Documents for clients: the operations, of which typed clients are made, and examples in what people read."""
    found = {
        path.name: parse(path.read_text(encoding="utf-8"))
        for path in sorted((ROOT / "graphql" / "operations").glob("*.graphql"))
    }
    for page in [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]:
        blocks = re.findall(r"^```graphql\n(.*?)^```", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)
        for number, text in enumerate(blocks, start=1):
            document = parse(text)
            if all(isinstance(node, ExecutableDefinitionNode) for node in document.definitions):
                found[f"{page.name}, {number}"] = document
    return found


PUBLISHED = published()


@pytest.mark.parametrize("name", PUBLISHED)
def test_whatever_is_published_fits_the_schema_and_uses_nothing_that_is_deprecated(name: str, schema: GraphQLSchema):
    assert uses(schema, PUBLISHED[name]) == []
