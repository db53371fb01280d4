"""What the values of the schema's enums say of themselves."""

from __future__ import annotations

from enum import StrEnum

import pytest
from graphql import GraphQLEnumType, GraphQLSchema

from connector.api.schema.build import build_schema
from connector.api.schema.enums import described, enum_name
from connector.api.schema.vocabulary import VOCABULARY

OF_THE_API = {"ChangeOperation", "SortDirection", "Truncation"}


@pytest.fixture(scope="module")
def schema() -> GraphQLSchema:
    return build_schema()._schema


def enums(schema: GraphQLSchema) -> dict[str, GraphQLEnumType]:
    return {
        name: type_
        for name, type_ in schema.type_map.items()
        if isinstance(type_, GraphQLEnumType) and not name.startswith("__")
    }


def said(schema: GraphQLSchema, place: str) -> str | None:
    name, _, value = place.partition(".")
    return enums(schema)[name].values[value].description


@pytest.mark.parametrize("enum", VOCABULARY, ids=enum_name)
def test_a_vocabulary_has_a_sentence_of_its_own_for_each_value_and_for_nothing_else(enum: type[StrEnum]):
    texts = VOCABULARY[enum]

    assert [*texts] == [*enum.__members__]
    assert len({*texts.values()}) == len(texts)
    assert [
        text for text in texts.values() if not (text[0].isupper() and text.endswith(".") and "\n" not in text)
    ] == []


def test_every_enum_of_the_schema_is_a_vocabulary_of_the_domain_or_of_the_api_or_has_keys(schema: GraphQLSchema):
    others = {name for name in enums(schema) if not name.endswith(("OrderField", "GroupField"))}

    assert others == {enum_name(enum) for enum in VOCABULARY} | OF_THE_API


def test_the_schema_says_what_the_vocabulary_says(schema: GraphQLSchema):
    shown = {
        enum_name(enum): {name: value.description for name, value in enums(schema)[enum_name(enum)].values.items()}
        for enum in VOCABULARY
    }

    assert shown == {enum_name(enum): texts for enum, texts in VOCABULARY.items()}


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ("TicketOrderField.ID", "The order in which the hub recorded them."),
        ("TicketOrderField.NUMBER", "What people call it."),
        ("TicketGroupField.NUMBER", "What people call it."),
        ("StockOrderField.IS_LOW", "Whether fewer units are free than the reorder point; null where there is none."),
        ("CompatibilityGroupField.SUBSTITUTE_ID", "What can be sent in its place."),
        ("ShipmentGroupField.LABEL_DOCUMENT_ID", "Its label."),
        ("SourceOrderField.NOT_BEFORE", "While the hub backs off, when it is asked again."),
    ],
)
def test_a_key_says_what_the_field_says_that_shows_it(place: str, text: str, schema: GraphQLSchema):
    assert said(schema, place) == text


def test_an_enum_with_a_value_of_which_nothing_is_said_is_refused():
    class Weekday(StrEnum):
        MONDAY = "monday"
        TUESDAY = "tuesday"

    with pytest.raises(KeyError, match="TUESDAY"):
        described("A day.", {"MONDAY": "The first one."})(Weekday)
