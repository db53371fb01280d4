"""Records: what may pass the boundary."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest
from pydantic import TypeAdapter, ValidationError

from connector.model.records import (
    Address,
    AssetRecord,
    HubRecord,
    ProductKey,
    ProductRecord,
    Record,
    SiteRecord,
    StockRecord,
    TicketRecord,
)
from connector.model.refs import EntityKind, SourceRef

REF = SourceRef(kind=EntityKind.TICKET, external_id="17")


def ticket(**values: object) -> TicketRecord:
    return TicketRecord.model_validate({"ref": REF, "number": "17", "state": "new", **values})


def test_times_are_kept_in_utc():
    eastern = timezone(timedelta(hours=-5))

    record = ticket(opened_at=datetime(2026, 3, 1, 20, 0, tzinfo=eastern), updated_at="2026-03-02T02:00:00+01:00")

    assert record.opened_at == datetime(2026, 3, 2, 1, 0, tzinfo=UTC)
    assert record.opened_at is not None
    assert record.opened_at.tzinfo is UTC
    assert record.updated_at == datetime(2026, 3, 2, 1, 0, tzinfo=UTC)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"opened_at": datetime(2026, 3, 1, 20, 0)}, "Input should have timezone info"),  # noqa: DTZ001 - the fault
        ({"opened_at": "2026-03-01T20:00:00"}, "Input should have timezone info"),
        ({"priority": "P0"}, "Input should be 'P1', 'P2', 'P3', 'P4' or 'P5'"),
        ({"colour": "red"}, "Extra inputs are not permitted"),
        ({"title": "x" * 65_537}, "String should have at most 65536 characters"),
    ],
)
def test_what_cannot_be_understood_is_refused(values: dict[str, object], message: str):
    with pytest.raises(ValidationError) as raised:
        ticket(**values)

    assert [error["msg"] for error in raised.value.errors()] == [message]


@pytest.mark.parametrize(
    ("kind", "values", "message"),
    [
        (
            SiteRecord,
            {"name": "Depot", "time_zone": "Mars/Olympus"},
            "Value error, time zone 'Mars/Olympus' is not in the IANA database: write e.g. 'Europe/Berlin'",
        ),
        (
            HubRecord,
            {"name": "Depot", "opening_hours": "always"},
            "Value error, hours 'always' cannot be read: write '24x7' or 'Mon-Fri 08:00-18:00; Sat 09:00-12:00'",
        ),
        (
            HubRecord,
            {"name": "Depot", "courier_cut_offs": ["12:00", "12:00 18:00"]},
            "Value error, time of day '12:00 18:00' cannot be read: write HH:MM, for example '16:30'",
        ),
        (
            HubRecord,
            {"name": "Depot", "courier_cut_offs": ["24:01"]},
            "Value error, time of day '24:01' cannot be read: write HH:MM, for example '16:30'",
        ),
        (HubRecord, {"name": "Depot", "handling_minutes": -1}, "Input should be greater than or equal to 0"),
        (SiteRecord, {"name": "  "}, "String should have at least 1 character"),
        (
            StockRecord,
            {"hub": "H1", "product": {"manufacturer": "Acme", "model": "X"}, "quantity": -1},
            "Input should be greater than or equal to 0",
        ),
        (
            ProductRecord,
            {"key": {"manufacturer": "Acme", "model": "X"}, "currency": "eur"},
            "String should match pattern '^[A-Z]{3}$'",
        ),
    ],
)
def test_each_kind_refuses_what_its_fields_cannot_mean(kind: type, values: dict[str, object], message: str):
    with pytest.raises(ValidationError) as raised:
        kind.model_validate({"ref": REF, **values})

    assert message in [error["msg"] for error in raised.value.errors()]


def test_a_record_cannot_be_changed():
    with pytest.raises(ValidationError, match="Instance is frozen"):
        ticket().title = "other"


def test_spaces_around_texts_are_no_part_of_them():
    assert ticket(title="  Switch is dead \n").title == "Switch is dead"


@pytest.mark.parametrize("country", ["de", "DEU", "D1", ""])
def test_a_country_is_two_capital_letters(country: str):
    with pytest.raises(ValidationError, match="String should match pattern"):
        Address(country=country)


def test_an_asset_may_name_its_product_by_reference_or_by_name():
    by_ref = AssetRecord.model_validate({"ref": REF, "product": {"kind": "product", "external_id": "p1"}})
    by_name = AssetRecord.model_validate({"ref": REF, "product": {"manufacturer": "Acme", "model": "X"}})

    assert by_ref.product == SourceRef(kind=EntityKind.PRODUCT, external_id="p1")
    assert by_name.product == ProductKey(manufacturer="Acme", model="X")


def test_a_reference_reads_as_kind_and_identifier_and_is_never_empty():
    assert str(REF) == "ticket:17"
    with pytest.raises(ValidationError, match="at least 1 character"):
        SourceRef(kind=EntityKind.TICKET, external_id="")


def test_no_number_of_a_record_is_larger_than_a_database_keeps():
    """PostgreSQL's integers have 32 bits, and a batch with a larger one could not be written at all."""
    schema = TypeAdapter(Record).json_schema()
    fields = {
        f"{kind}.{name}": field
        for kind, part in schema["$defs"].items()
        for name, field in part.get("properties", {}).items()
    }
    assert fields["StockRecord.quantity"]["maximum"] == 100_000_000

    unbounded = [
        name
        for name, field in fields.items()
        for choice in field.get("anyOf", [field])
        if choice.get("type") == "integer" and choice.get("maximum", 2**31) >= 2**31
    ]

    assert unbounded == []
