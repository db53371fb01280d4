"""What devices, locations and tickets say, in the hub's terms."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from connector.sdk import AssetState, InvalidRecord, Priority, TicketState
from connector_glpi import GlpiConfig
from connector_glpi.mapping import asset_record
from connector_glpi.names import Statuses
from connector_glpi.places import place_record, tree_of
from connector_glpi.rows import Details, Named
from connector_glpi.tickets import ticket_record
from connector_glpi.values import decoded, read_markup

DEVICE = {"id": 1, "name": "sw", "date_mod": "2026-07-01 12:00:00"}
TICKET = {"id": 7, "name": "Dead", "status": 2, "priority": 3, "type": 1, "date_mod": "2026-07-01 12:00:00"}
STATES = {1: Named(id=1, name="Broken", completename="Stock > Broken"), 2: Named(id=2, name="Prêté")}


def config(**settings: Any) -> GlpiConfig:
    return GlpiConfig.model_validate({"base_url": "https://glpi.example.com", "user_token": "token", **settings})


def state(number: int, **settings: Any) -> AssetState | None:
    told = config(**settings)
    places = tree_of((), told)
    record = asset_record({**DEVICE, "states_id": number}, "Computer", places, Statuses(STATES, told), told)
    return record.state if record else None


def test_a_status_means_what_the_settings_say_of_its_whole_name_or_its_name_else_what_people_mean_by_it():
    assert state(1) is AssetState.QUARANTINED
    assert state(1, states={"Stock > Broken": "repair"}) is AssetState.REPAIR
    assert state(1, states={"broken": "retired"}) is AssetState.RETIRED
    assert state(0) is None


@pytest.mark.parametrize(("number", "name"), [(2, "Prêté"), (9, "state 9")])
def test_a_status_without_a_meaning_is_told_by_name(number: int, name: str):
    with pytest.raises(InvalidRecord, match=f"status '{name}' has no meaning yet"):
        state(number)


def test_a_row_that_was_imported_without_times_has_the_oldest():
    told = config()
    record = asset_record({"id": 1}, "Phone", tree_of((), told), Statuses({}, told), told)

    assert record is not None
    assert (str(record.updated_at), record.url) == (
        "1970-01-01 00:00:00+00:00", "https://glpi.example.com/front/phone.form.php?id=1",
    )  # fmt: skip


@pytest.mark.parametrize(("text", "country"), [("France", "FR"), ("de", "DE"), ("Deutschland", None), ("", None)])
def test_a_country_is_two_letters_or_nothing(text: str, country: str | None):
    told = config(countries={"france": "FR"})
    record = place_record({"id": 1, "name": "Lyon", "town": "Lyon", "country": text}, tree_of((), told), told)

    assert record is not None
    assert record.address is not None
    assert record.address.country == country


def test_a_priority_and_a_status_mean_what_the_settings_say():
    told = config(priorities={"5": "P2"}, ticket_states={"3": "on_hold", "10": "new"})
    record = ticket_record({**TICKET, "priority": 5, "status": 3}, Details(), None, told)

    assert (record.priority, record.state) == (Priority.P2, TicketState.ON_HOLD)
    assert ticket_record({**TICKET, "status": 10}, Details(), None, told).state is TicketState.NEW
    with pytest.raises(InvalidRecord, match="ticket 7 has status 11, which nobody gave a meaning to"):
        ticket_record({**TICKET, "status": 11}, Details(), None, told)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ("&#60;p&#62;a &#38;lt; b&#60;/p&#62;", "a < b"), ("<p>a &lt; b</p>", "a < b"),
        ("&lt;p&gt;one&lt;/p&gt;", "one"), ("plain\ntext", "plain text"),
    ],
)  # fmt: skip
def test_content_is_read_as_html_whether_it_is_kept_encoded_or_not(content: str, text: str):
    assert read_markup(content) == text


@pytest.mark.parametrize(
    ("kept", "entered"),
    [
        ("R&#38;D &#60;1&#62;", "R&D <1>"), ("a &lt; b", "a < b"), ("&#38;lt;", "&lt;"), ("R&D &lt;", "R&D &lt;"),
        ("<b> &amp;", "<b> &amp;"), ("&amp;", "&amp;"),
    ],
)  # fmt: skip
def test_a_text_is_decoded_where_it_was_encoded_as_a_whole(kept: str, entered: str):
    assert decoded(kept) == entered


@pytest.mark.parametrize(
    "settings",
    [
        {"api": "v2"}, {"client_id": "c", "client_secret": "s"}, {"api_version": "1"},
        {"user_token": None}, {"username": "hub"}, {"username": "hub", "password": "p"},
        {"countries": {"France": "fr"}}, {"time_zone": "Paris"},
        {"write_back": True, "in_use_status": "Prêté"}, {"priorities": {"high": "P1"}},
    ],
)  # fmt: skip
def test_settings_that_contradict_themselves_are_refused(settings: dict[str, Any]):
    with pytest.raises(ValidationError):
        config(**settings)
