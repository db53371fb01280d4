"""What a ticket says, in the hub's terms."""

from __future__ import annotations

from typing import Any

import pytest

from connector.sdk import InvalidRecord, Priority, ProductKey, TicketRecord, TicketState, TicketType
from connector_zammad import ZammadConfig
from connector_zammad.mapping import Details, Link, plain_text, read_ticket, ticket_record, ticket_ref
from connector_zammad.sandbox import STATE_TYPES

TICKET: dict[str, Any] = {
    "id": 7, "number": "53007", "title": "Dead", "group": "Sales", "state": "open", "priority": "2 normal",
    "owner": "-", "customer": "eva", "updated_at": "2025-06-24T10:46:58.554Z",
}  # fmt: skip


def record(*links: tuple[str, int], settings: dict[str, Any] | None = None, **columns: Any) -> TicketRecord:
    raw = TICKET | columns
    config = ZammadConfig.model_validate({"base_url": "https://z.example.com/", "token": "t", **(settings or {})})
    told = tuple(Link(link_type=kind, link_object="Ticket", link_object_value=other) for kind, other in links)
    types = {**STATE_TYPES, "solved": "closed", "removed": "removed"}
    made = ticket_record(read_ticket(raw), raw, Details(links=told), types, config)
    assert isinstance(made, TicketRecord)
    return made


@pytest.mark.parametrize(
    ("state", "meant"),
    [
        ("new", "new"), ("open", "in_progress"), ("pending reminder", "on_hold"), ("pending close", "resolved"),
        ("closed", "closed"), ("merged", "closed"), ("removed", "cancelled"), ("solved", "closed"),
    ],
)  # fmt: skip
def test_the_type_of_a_state_says_what_it_means(state: str, meant: str) -> None:
    assert record(state=state).state == TicketState(meant)


def test_a_name_says_more_than_the_type() -> None:
    made = record(state="solved", close_at="2025-06-24T09:00:00.000Z", settings={"states": {"solved": "resolved"}})

    assert (made.state, str(made.resolved_at)) == (TicketState.RESOLVED, "2025-06-24 09:00:00+00:00")


def test_a_ticket_that_was_opened_again_is_not_resolved() -> None:
    assert record(close_at="2025-06-24T09:00:00.000Z").resolved_at is None


@pytest.mark.parametrize(
    ("name", "meant"), [("1 low", "P4"), ("2 normal", "P3"), ("3 high", "P2"), ("4 disaster", "P1")]
)
def test_priorities(name: str, meant: str) -> None:
    assert record(priority=name, settings={"priorities": {"4 disaster": "P1"}}).priority == Priority(meant)


@pytest.mark.parametrize(
    ("columns", "said", "path"),
    [
        ({"priority": "4 disaster"}, "has priority '4 disaster', which nobody gave a meaning to", "/priority"),
        ({"state": "unheard"}, "ticket 53007 is 'unheard', a state whose type None says nothing", "/state"),
        ({"quantity": "a few"}, "has 'a few' in 'quantity', which is no number from 1 to 10000", "/quantity"),
        ({"updated_at": "yesterday"}, "the ticket cannot be read at /updated_at", "/updated_at"),
        ({"group": None}, "the ticket cannot be read at /group", "/group"),
    ],
)  # fmt: skip
def test_what_cannot_be_understood_is_named(columns: dict[str, Any], said: str, path: str) -> None:
    with pytest.raises(InvalidRecord, match=said) as refused:
        record(**columns)
    assert refused.value.path == path


def test_attributes_of_every_type_are_read() -> None:
    made = record(
        asset_tag=" AT-1 ", serial_number=4711, site={"label": "Hamburg", "value": "HH-1"}, category="Network::Switch",
        manufacturer=["Cisco", "HPE"], model="C9300-48P", quantity=3, close_escalation_at="2025-06-25T08:00:00.000Z",
        type="Request for Change",
    )  # fmt: skip

    assert (made.asset_tag, made.serial, made.site_name, made.category) == (
        "AT-1",
        "4711",
        "Hamburg",
        "Network::Switch",
    )
    assert made.product == ProductKey(manufacturer="Cisco", model="C9300-48P")
    assert (made.quantity, made.type, str(made.sla_due_at)) == (3, TicketType.CHANGE, "2025-06-25 08:00:00+00:00")


def test_nobody_is_no_assignee_and_the_group_is_the_category() -> None:
    made = record()

    assert (made.assignee, made.requester, made.category) == (None, "eva", "Sales")
    assert (made.product, made.sla_due_at, made.type) == (None, None, TicketType.INCIDENT)
    assert made.url == "https://z.example.com/#ticket/zoom/7"


def test_of_several_parents_the_oldest_ticket_counts_and_itself_is_none() -> None:
    made = record(("parent", 31), ("parent", 30), ("child", 9), ("normal", 31), ("normal", 30), ("normal", 7))

    assert (made.parent, made.related) == (ticket_ref(30), (ticket_ref(31),))


@pytest.mark.parametrize(
    ("body", "text"),
    [
        ("<div>One<br>two</div><div><br></div><div>three</div>", "One\ntwo\n\nthree"),
        ("<style>p {}</style><p>a  &lt;b&gt;\n c</p>", "a <b> c"),
        ("<ul><li>one</li><li>two</li></ul>", "one\n\ntwo"),
        ("5 < 6 & more", "5 < 6 & more"),
    ],
)
def test_of_html_the_text_is_read(body: str, text: str) -> None:
    assert plain_text(body, "text/html; charset=utf-8") == text


def test_plain_text_stays_as_it_is() -> None:
    assert plain_text("a <b>\n\n\n\nc ", "text/plain") == "a <b>\n\n\n\nc"
