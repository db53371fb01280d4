"""Days that do not count: what a policy says of them, and what follows for due times, hubs, sites and couriers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.rules.cases import BERLIN, HAMBURG, MUNICH, POLICY, POTSDAM, facts, holding, hub, ticket_of
from tests.wall_clock import departures_of, is_open, local_minutes, moments

from connector.model.calendars import Calendar, parse_hours
from connector.model.errors import InvalidConfiguration
from connector.model.public_holidays import region_of
from connector.rules.arrival.due import due
from connector.rules.arrival.timetable import Departures, Timetable, instant_of, minute_at_or_after
from connector.rules.facts.facts import SourcingFacts
from connector.rules.facts.ticket import ServiceClassFacts, SiteFacts
from connector.rules.policy.reading import Policy, default_policy, read_policy
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision, Reason

EVE = datetime(2026, 12, 24, 9, 0, tzinfo=UTC)
"""The morning of Christmas Eve, a Thursday: 10:00 in Berlin. The 25th is a public holiday, the 26th too."""
WORK = "Mon-Fri 08:00-17:00"


def policy(sourcing: str = "", courier: str = "", calendar: str = f'"{WORK}"') -> Policy:
    """A policy with one more line under sourcing, one under its courier, and this calendar of the class `office`."""
    text = POLICY.replace("RULE", "hold_minutes: 60").replace(f'"{WORK}"', calendar)
    text = text.replace("sourcing:\n", f"sourcing:\n  {sourcing}\n").replace("courier:\n", f"courier:\n    {courier}\n")
    return read_policy(text, source="policy.yaml")


def problem(**values: str) -> str:
    with pytest.raises(InvalidConfiguration) as caught:
        policy(**values)
    assert len(caught.value.problems) == 1, caught.value.problems
    return caught.value.problems[0].removeprefix("policy.yaml:").partition(": ")[2]


def site(**values: object) -> SiteFacts:
    plain = SiteFacts(5, "Plant", "S1", *BERLIN, time_zone="Europe/Berlin", country="DE")
    return replace(plain, **values)  # type: ignore[arg-type]


def office(place: SiteFacts | None = None, **values: object) -> SourcingFacts:
    """A ticket of Christmas Eve for a site of the class `office`, which bears 240 minutes of work."""
    case = facts(service_class=ServiceClassFacts("office", 1, "24x7"), site=place or site())
    return replace(case, ticket=ticket_of(case, **{"opened_at": datetime(2026, 12, 24, 15, 0, tzinfo=UTC), **values}))


@pytest.mark.parametrize(
    ("calendar", "place", "expected", "text"),
    [
        # an hour is left on the 24th; the 25th is a Friday
        (f'"{WORK}"', {}, "2026-12-28T10:00Z", "without the public holidays of DE"),
        (f"{{hours: {WORK}}}", {}, "2026-12-28T10:00Z", "without the public holidays of DE"),
        (f"{{hours: {WORK}, holidays: none}}", {}, "2026-12-25T10:00Z", "with public holidays (the policy says so)"),
        (
            f"{{hours: {WORK}, closed: [2026-12-28]}}", {}, "2026-12-29T10:00Z",
            "without the public holidays of DE, closed on 2026-12-28",
        ),
        # Boxing Day is observed on Monday, since the 26th is a Saturday
        (f"{{hours: {WORK}, holidays: GB}}", {}, "2026-12-29T10:00Z", "without the public holidays of GB"),
        (
            f'"{WORK}"', {"country": None}, "2026-12-25T10:00Z",
            "with public holidays (the site has no country and the policy no default_country)",
        ),
        (
            f'"{WORK}"', {"country": "QQ"}, "2026-12-25T10:00Z",
            "with public holidays (none are known for the site's country 'QQ')",
        ),
    ],
)  # fmt: skip
def test_business_hours_do_not_count_on_public_holidays_of_the_site(
    calendar: str, place: dict[str, str | None], expected: str, text: str
):
    found = due(office(site(**place)), policy(calendar=calendar))

    assert found.at == datetime.fromisoformat(expected)
    assert found.basis == (
        f"opened at 2026-12-24 15:00Z plus 240 min of {WORK} in Europe/Berlin {text} (service class 'office')"
    )


NEXT = f'"{WORK}", business_days: 1'


@pytest.mark.parametrize(
    ("opened", "expected"),
    [
        ("2026-12-21T07:00Z", "2026-12-21T11:00Z"),  # Monday at eight: 240 minutes are over before
        ("2026-12-21T15:30Z", "2026-12-22T10:30Z"),
        ("2026-12-22T22:00Z", "2026-12-23T11:00Z"),
    ],
)
def test_the_minutes_count_where_they_are_over_before_the_business_day_is(opened: str, expected: str):
    found = due(office(opened_at=datetime.fromisoformat(opened)), policy(calendar=NEXT))

    assert found.at == datetime.fromisoformat(expected)


@pytest.mark.parametrize(
    ("opened", "expected"),
    [
        ("2026-12-21T07:00Z", "2026-12-22T16:00Z"),
        ("2026-12-21T15:30Z", "2026-12-22T16:00Z"),
        ("2026-12-21T19:00Z", "2026-12-22T16:00Z"),  # after closing, still Monday
        ("2026-12-24T15:00Z", "2026-12-28T16:00Z"),  # over Christmas and a weekend
    ],
)
def test_the_next_business_day_is_over_when_it_closes(opened: str, expected: str):
    long = policy(calendar=NEXT).service_classes["office"].model_copy(update={"maximum_outage_minutes": 1080})
    found = due(
        office(opened_at=datetime.fromisoformat(opened)),
        policy().model_copy(update={"service_classes": {"office": long}}),
    )

    assert found.at == datetime.fromisoformat(expected)
    assert found.basis == (
        f"opened at {opened.replace('T', ' ')}, until the close of the next business day, {WORK} in Europe/Berlin "
        "without the public holidays of DE (service class 'office')"
    )


def test_a_class_of_business_days_has_a_calendar_that_closes():
    assert "24x7 never does" in problem(calendar="24x7, business_days: 1")


def test_every_hour_counts_on_public_holidays_too_unless_a_policy_says_otherwise():
    assert due(office(), policy(calendar="24x7")).at == datetime(2026, 12, 24, 19, 0, tzinfo=UTC)
    late = office(opened_at=datetime(2026, 12, 24, 21, 0, tzinfo=UTC))
    # two hours until midnight in Berlin, the other two on Sunday
    at = due(late, policy(calendar="{hours: 24x7, holidays: site}")).at
    assert at == datetime(2026, 12, 27, 1, 0, tzinfo=UTC)


def test_a_part_of_a_country_has_holidays_of_its_own():
    opened_at = datetime(2026, 1, 5, 15, 0, tzinfo=UTC)

    bavarian = due(office(site(state="Bayern"), opened_at=opened_at), policy())
    prussian = due(office(site(state="BE"), opened_at=opened_at), policy())

    # Epiphany
    assert (bavarian.at, prussian.at) == (
        datetime(2026, 1, 7, 10, 0, tzinfo=UTC), datetime(2026, 1, 6, 10, 0, tzinfo=UTC),
    )  # fmt: skip
    assert "without the public holidays of DE-BY" in bavarian.basis


def test_a_site_without_country_takes_the_default_one_and_says_so():
    found = due(office(site(country=None)), policy(sourcing="default_country: PL"))

    # in Poland Christmas Eve is one too
    assert found.at == datetime(2026, 12, 28, 11, 0, tzinfo=UTC)
    assert "without the public holidays of PL (default_country, the site has no country)" in found.basis


@pytest.mark.parametrize(
    ("country", "state", "region"),
    [
        ("DE", "BY", "DE-BY"), ("DE", "DE-BY", "DE-BY"), ("DE", " bayern ", "DE-BY"), ("US", "New York", "US-NY"),
        ("DE", "Atlantis", "DE"), ("de", None, "DE"), ("SG", "Central", "SG"), ("QQ", "BY", None),
    ],
)  # fmt: skip
def test_the_region_of_an_address(country: str, state: str | None, region: str | None):
    assert region_of(country, state) == region


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"sourcing": "default_country: UK"},
            "sourcing.default_country: country 'UK' has no known public holidays: did you mean GB? (given: 'UK');"
            " example: DE",
        ),
        (
            {"sourcing": "default_country: DE-BY"},
            "sourcing.default_country: names a part of a country: write 'DE' (given: 'DE-BY'); example: DE",
        ),
        (
            {"sourcing": "default_country: NO"},
            "sourcing.default_country: is read as false: write 'none', or the code in quotes ('NO' is Norway)"
            " (given: False); example: DE",
        ),
        (
            {"sourcing": "hubs: {holidays: lokal}"},
            "sourcing.hubs.holidays: is neither 'local', 'none' nor a region: did you mean local? (given: 'lokal');"
            " example: DE-BY",
        ),
        (
            {"sourcing": "hubs: {exceptions: {H1: {holidays: DE-Bayern}}}"},
            "sourcing.hubs.exceptions.H1.holidays: is neither 'local' nor 'none', and no region: DE has no part"
            " 'Bayern' with public holidays of its own: did you mean DE-BY or DE-BE? (given: 'DE-Bayern');"
            " example: DE-BY",
        ),
        (
            {"courier": "holidays: SG-1"},
            "sourcing.courier.holidays: is neither 'local' nor 'none', and no region: SG has the same public holidays"
            " everywhere: write 'SG' (given: 'SG-1'); example: DE-BY",
        ),
        (
            {"calendar": f"{{hours: {WORK}, holidays: local}}"},
            "service_classes.office.calendar.holidays: is neither 'site' nor 'none', and no region: country 'local' has"
            " no known public holidays",
        ),
        (
            {"calendar": f"{{hours: {WORK}, closed: [Christmas]}}"},
            "service_classes.office.calendar.closed[0]: Input should be a valid date",
        ),
        (
            {"calendar": f"{{ours: {WORK}}}"},
            "service_classes.office.calendar.ours: is no field here (given: 'Mon-Fri 08:00-17:00'): did you mean"
            " 'hours'?; known keys are hours, holidays, closed",
        ),
        ({"calendar": "Mon-Fri"}, "service_classes.office.calendar: hours 'Mon-Fri' cannot be read"),
    ],
)
def test_what_is_no_holiday_or_region_is_refused_with_its_place(values: dict[str, str], message: str):
    assert problem(**values).startswith(message)


def chosen(decision: Decision) -> tuple[datetime, datetime, datetime]:
    assert decision.chosen is not None, decision.text
    return decision.chosen.ready_at, decision.chosen.departs_at, decision.chosen.arrives_at


def on(day: int, hour: int, minute: int = 0, month: int = 12) -> datetime:
    """A moment of the end of 2026 in Berlin."""
    local = datetime(2026, month, day, hour, minute, tzinfo=ZoneInfo("Europe/Berlin"))
    return local.astimezone(UTC)


CLOSED_HUB = hub(1, POTSDAM, opening_hours="Mon-Sat 08:00-18:00", country="DE", handling_minutes=600)


@pytest.mark.parametrize(
    ("sourcing", "unit", "ready"),
    [
        # eight hours are left on the 24th; the 25th and 26th are holidays, the 27th is a Sunday
        ("", CLOSED_HUB, on(28, 10)),
        ("hubs: {holidays: none}", CLOSED_HUB, on(25, 10)),
        ("hubs: {holidays: FR}", CLOSED_HUB, on(26, 10)),
        ("hubs: {exceptions: {HUB-1: {holidays: none}}}", CLOSED_HUB, on(25, 10)),
        ("hubs: {exceptions: {HUB-2: {holidays: none}}}", CLOSED_HUB, on(28, 10)),
        ("hubs: {closed: [2026-12-28], exceptions: {HUB-1: {closed: [2026-12-29]}}}", CLOSED_HUB, on(30, 10)),
        ("", hub(1, POTSDAM, opening_hours="Mon-Sat 08:00-18:00", handling_minutes=600), on(25, 10)),
        ("default_country: DE", hub(1, POTSDAM, opening_hours="Mon-Sat 08:00-18:00", handling_minutes=600), on(28, 10)),
        ("", hub(1, POTSDAM, country="DE", handling_minutes=600), on(24, 20)),
    ],
)
def test_a_hub_is_closed_on_its_public_holidays_unless_said_otherwise(sourcing: str, unit: object, ready: datetime):
    case = facts([unit], [holding(1)], site=site())  # type: ignore[list-item]

    assert chosen(decide(case, policy(sourcing), EVE))[0] == ready


def test_a_courier_neither_collects_nor_delivers_on_public_holidays():
    french = hub(2, HAMBURG, country="FR")
    case = facts([french], [holding(2)], site=site(access_hours="24x7"))
    evening = on(24, 18)

    # collected on the 26th, no holiday in France; 14 hours later it is Sunday
    assert chosen(decide(case, policy(), evening))[1:] == (on(26, 17), on(28, 8))
    # a German hub: nobody collects before Sunday, on which this courier drives since the hub has hours
    german = replace(case, fleet=facts([hub(2, HAMBURG, country="DE")]).fleet)
    assert chosen(decide(german, policy(), evening))[1:] == (on(27, 17), on(28, 8))
    anyway = policy(courier="holidays: none")
    assert chosen(decide(german, anyway, evening))[1:] == (on(25, 17), on(28, 8))
    assert chosen(decide(german, policy(courier="closed: [2026-12-28]"), evening))[1:] == (on(27, 17), on(29, 8))


def test_where_couriers_deliver_at_any_time_they_do_so_on_public_holidays():
    case = facts([hub(2, HAMBURG, country="DE")], [holding(2)], site=site())
    text = POLICY.replace("RULE", "hold_minutes: 60").replace("Mon-Fri 08:00-18:00", "24x7")

    assert chosen(decide(case, read_policy(text), on(24, 18)))[1:] == (on(25, 17), on(26, 7))


def test_a_site_lets_nobody_in_on_its_public_holidays():
    case = facts([hub(1, POTSDAM)], [holding(1)], site=site(access_hours="Mon-Fri 07:00-20:00"))
    christmas = on(25, 9)

    assert chosen(decide(case, policy(), christmas))[2] == on(28, 7)
    hospital = decide(case, policy("sites: {exceptions: {S1: {holidays: none}}}"), christmas)
    assert chosen(hospital)[2] == on(25, 10, 5)
    assert hospital.access == "Mon-Fri 07:00-20:00 in Europe/Berlin with public holidays (the policy says so)"


def test_the_explanation_says_whose_holidays_close_hub_and_site():
    case = facts(
        [hub(1, POTSDAM, country="DE", state="BB"), hub(2, MUNICH, opening_hours=WORK), CLOSED_HUB.__class__(
            3, "HUB-3", CLOSED_HUB.tier, CLOSED_HUB.unit, CLOSED_HUB.profile)],
        [holding(1, 2, 3)], site=site(state="BE", access_hours=WORK),
    )  # fmt: skip

    explanation = decide(case, policy(), EVE).explanation()

    assert explanation["site"] == {
        "access": f"{WORK} in Europe/Berlin without the public holidays of DE-BE",
        "delivery": "Mon-Fri 08:00-18:00 in Europe/Berlin without the public holidays of DE-BE",
    }
    assert {c["hub"]: c["hours"] for c in explanation["candidates"]} == {
        "HUB-1": "24x7 in Europe/Berlin; couriers collect without the public holidays of DE-BB",
        "HUB-2": f"{WORK} in Europe/Berlin with public holidays (the hub has no country and the policy no"
        " default_country)",
        "HUB-3": "Mon-Sat 08:00-18:00 in Europe/Berlin without the public holidays of DE",
    }


@pytest.mark.parametrize(
    ("stated", "difference", "is_disputed"),
    [
        (datetime(2026, 12, 28, 10, 0, tzinfo=UTC), 0, False),
        (datetime(2026, 12, 28, 10, 15, tzinfo=UTC), 15, False),
        (datetime(2026, 12, 28, 10, 16, tzinfo=UTC), 16, True),
        (datetime(2026, 12, 28, 9, 44, tzinfo=UTC), -16, True),
        # a ticket system that knows no holidays
        (datetime(2026, 12, 25, 10, 0, tzinfo=UTC), -3 * 24 * 60, True),
    ],
)
def test_a_stated_due_time_is_taken_over_and_compared(stated: datetime, difference: int, is_disputed: bool):
    case = replace(office(sla_due_at=stated), fleet=facts([hub(1)]).fleet, holdings=(holding(1),))

    decision = decide(case, policy(), EVE)

    assert (decision.due_at, decision.until.basis) == (stated, "due time of the ticket")
    sla = decision.explanation()["sla"]
    assert {
        name: sla[name] for name in ("due_at", "stated_at", "computed_at", "difference_minutes", "is_disputed")
    } == {
        "due_at": f"{stated:%Y-%m-%dT%H:%M:%SZ}",
        "stated_at": f"{stated:%Y-%m-%dT%H:%M:%SZ}",
        "computed_at": "2026-12-28T10:00:00Z",
        "difference_minutes": difference,
        "is_disputed": is_disputed,
    }
    assert sla["computed_basis"].startswith("opened at 2026-12-24 15:00Z plus 240 min")


def test_what_differs_too_much_is_for_the_policy_to_say():
    case = office(sla_due_at=datetime(2026, 12, 28, 10, 16, tzinfo=UTC))

    assert due(case, policy("due_tolerance_minutes: 0")).is_disputed
    assert not due(case, policy("due_tolerance_minutes: 16")).is_disputed


@pytest.mark.parametrize(
    ("changes", "basis"),
    [
        ({"opened_at": None}, "the ticket does not say when it was opened, so any arrival counts as in time"),
        ({"opened_at": datetime(9999, 12, 31, tzinfo=UTC)}, "service class 'office' cannot be counted: "),
    ],
)
def test_a_stated_due_time_without_a_computed_one_is_not_disputed(changes: dict[str, object], basis: str):
    stated = datetime(2026, 12, 28, 10, 0, tzinfo=UTC)

    found = due(office(sla_due_at=stated, **changes), policy())

    assert (found.at, found.computed_at, found.difference_minutes, found.is_disputed) == (stated, None, None, False)
    assert found.computed_basis.startswith(basis)


@settings(max_examples=50, deadline=None)
@given(moment=moments(), wait=st.integers(0, 4 * 1440), duration=st.integers(1, 1_500))
def test_timetables_count_the_minutes_in_which_the_wall_clock_is_open(
    moment: tuple[Calendar, datetime], wait: int, duration: int
):
    calendar, instant = moment
    start = minute_at_or_after(instant)
    table = Timetable(calendar, start)

    counted = [
        minute_at_or_after(at) for at, _, opened in local_minutes(calendar, instant_of(start + wait), 7) if opened
    ]
    horizon = start + wait + 7 * 1440
    opens, passed = table.next_open(start + wait), table.after_open_time(start + wait, duration)
    if counted:
        assert opens == counted[0]
    else:
        assert opens is None or opens >= horizon
    if len(counted) >= duration:
        assert passed == counted[duration - 1] + 1
    else:
        assert passed is None or passed > horizon


@settings(max_examples=40, deadline=None)
@given(
    moment=moments(), wait=st.integers(0, 3 * 1440),
    cut_offs=st.lists(st.integers(0, 96).map(lambda quarter: quarter * 15), min_size=1, max_size=2, unique=True),
)  # fmt: skip
def test_vans_leave_when_the_wall_clock_shows_their_time(
    moment: tuple[Calendar, datetime], wait: int, cut_offs: list[int]
):
    calendar, instant = moment
    start = minute_at_or_after(instant)

    leaves = Departures(calendar, tuple(cut_offs), start).next(start + wait)

    walked = [
        minute_at_or_after(at)
        for cut_off in cut_offs
        for at in departures_of(calendar, cut_off, instant_of(start + wait), 7)
    ]
    if walked:
        assert leaves == min(walked)
    else:
        assert leaves is None or leaves >= start + wait + 7 * 1440


@settings(max_examples=80, deadline=None)
@given(
    access=st.sampled_from(["24x7", "Mon-Fri 07:00-12:00", "Tue 10:00-10:30; Sat 22:00-24:00", "Sun 01:00-03:00"]),
    delivery=st.sampled_from(["Mon-Sat 08:00-18:00", "24x7", "Mon-Fri 08:00-10:00"]),
    zone=st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "Asia/Kolkata"]),
    country=st.sampled_from(["DE", "US", "AU", "IN", None]),
    now=st.integers(0, 2 * 366 * 1440).map(lambda minute: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(minutes=minute)),
)
def test_nothing_ever_arrives_while_the_site_is_closed(
    access: str, delivery: str, zone: str, country: str | None, now: datetime
):
    place = site(access_hours=access, time_zone=zone, country=country)
    hubs = [
        hub(1, POTSDAM),
        hub(2, HAMBURG, country="DE", opening_hours=WORK),
        hub(3, MUNICH, cut_offs=("09:30", "20:00")),
    ]
    text = POLICY.replace("RULE", "hold_minutes: 60").replace("Mon-Fri 08:00-18:00", delivery)

    decision = decide(facts(hubs, [holding(1, 2, 3)], site=place), read_policy(text), now)

    regions = (country,) if country else ()
    let_in = Calendar(zone, parse_hours(access), regions=() if access == "24x7" else regions)
    handed = Calendar(zone, parse_hours(delivery), regions=() if delivery == "24x7" else regions)
    if decision.reason is not Reason.SOURCED:
        assert {losers.code for losers in decision.losers} == {"site_never_open"}
        return
    for candidate in decision.candidates:
        assert is_open(let_in, candidate.arrives_at), (candidate.mode, candidate.arrives_at)
        assert candidate.mode == "drive" or is_open(handed, candidate.arrives_at)


def test_the_package_of_holidays_is_not_loaded_before_somebody_asks():
    program = (
        "import sys, connector.serve, connector.hub\n"
        "from connector.rules.policy.reading import default_policy\n"
        "default_policy()\n"
        "print('holidays' in sys.modules)\n"
        "from connector.model.public_holidays import check_region\n"
        "check_region('DE')\n"
        "print('holidays' in sys.modules)\n"
    )

    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert run.stdout.split() == ["False", "True"]


def test_the_shipped_policy_keeps_to_public_holidays():
    case = replace(office(), service_class=None)

    assert "without the public holidays of DE" in due(case, default_policy()).basis
