"""How a parcel under way fares, and whether a second unit helps."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.factories import NOW

from connector.model.kinds import Trouble
from connector.model.lifecycle import ShipmentStatus
from connector.rules.events.parcels import SEVERITY, ParcelFacts, silent_at, verdict
from connector.rules.facts.ticket import SiteFacts
from connector.rules.policy.reading import default_policy
from connector.rules.policy.watching import ClassWatching, Watching

HOUR = timedelta(hours=1)
POLICY = default_policy()


def parcel(**values: object) -> ParcelFacts:
    """Left now; takes a day, 30 hours at most; silent after 24 hours, due after 36."""
    defaults = {
        "status": ShipmentStatus.IN_TRANSIT, "left_at": NOW, "seen_at": NOW, "is_reported": True, "usual": 24 * HOUR,
        "slow": 30 * HOUR, "basis": "which 95 % of 12 deliveries took", "planned_at": NOW + 24 * HOUR,
        "silent_at": NOW + 24 * HOUR, "due_at": NOW + 36 * HOUR,
    }  # fmt: skip
    return ParcelFacts(**{**defaults, **values})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changed", "after", "trouble", "predicted"),
    [
        ({}, 23, Trouble.NONE, 24),
        ({}, 25, Trouble.SILENT, 50),
        ({"seen_at": NOW + 20 * HOUR, "silent_at": NOW + 44 * HOUR}, 25, Trouble.NONE, 31),
        ({"seen_at": NOW + 20 * HOUR, "silent_at": NOW + 44 * HOUR}, 31, Trouble.LATE, 37),
        ({"estimated_at": NOW + 40 * HOUR}, 1, Trouble.LATE, 40),
        ({"estimated_at": NOW + 40 * HOUR, "planned_at": NOW + 40 * HOUR}, 1, Trouble.NONE, 40),
        ({"estimated_at": NOW + 40 * HOUR, "due_at": None}, 1, Trouble.NONE, 40),
        ({"status": ShipmentStatus.EXCEPTION}, 1, Trouble.EXCEPTION, 24),
        ({"status": ShipmentStatus.EXCEPTION}, 20, Trouble.EXCEPTION, 26),
        ({"status": ShipmentStatus.LOST}, 1, Trouble.LOST, None),
        ({"status": ShipmentStatus.RETURNED}, 1, Trouble.RETURNED, None),
        ({"status": ShipmentStatus.READY_FOR_PICKUP}, 99, Trouble.NONE, 105),
        ({"is_reported": False}, 29, Trouble.NONE, 35),
        ({"is_reported": False}, 31, Trouble.LATE, 37),
    ],
)
def test_what_is_wrong_with_a_parcel_and_when_it_will_arrive(
    changed: dict[str, object], after: int, trouble: Trouble, predicted: int | None
):
    found = verdict(parcel(**changed), NOW + after * HOUR)

    assert found.trouble is trouble
    assert found.predicted_at == (None if predicted is None else NOW + predicted * HOUR)


def test_the_reason_names_what_it_was_compared_with():
    late = verdict(parcel(silent_at=None), NOW + 31 * HOUR)

    assert late.text == (
        f"It left {NOW:%Y-%m-%d %H:%M}Z and has taken longer than 30 h 00 min, which 95 % of 12 deliveries took; "
        f"expected {NOW + 37 * HOUR:%Y-%m-%d %H:%M}Z."
    )


@pytest.mark.parametrize(
    ("seen", "silent"), [("2026-11-25T09:00", "2026-11-26T09:00"), ("2026-11-28T15:00", "2026-11-30T15:00")]
)
def test_days_on_which_couriers_do_not_deliver_are_no_silence(seen: str, silent: str):
    site = SiteFacts(1, "HQ", time_zone="UTC")

    found = silent_at(datetime.fromisoformat(f"{seen}+00:00"), Watching(silent_hours=24), site, POLICY)

    assert found == datetime.fromisoformat(f"{silent}+00:00")


def test_a_service_class_changes_only_what_it_states():
    watching = Watching(act="task", silent_hours=24, service_classes={"critical": ClassWatching(act="source")})

    assert (watching.of("critical").act, watching.of("critical").silent_hours) == ("source", 24)
    assert watching.of("standard") is watching


hours = st.integers(0, 200)
statuses = st.sampled_from(
    [ShipmentStatus.PICKED_UP, ShipmentStatus.IN_TRANSIT, ShipmentStatus.OUT_FOR_DELIVERY, ShipmentStatus.EXCEPTION]
)


@given(statuses, hours, hours, st.booleans(), st.none() | hours, hours, hours)
def test_a_parcel_without_news_never_looks_better_later(
    status: ShipmentStatus, usual: int, more: int, is_reported: bool, estimated: int | None, first: int, wait: int
):
    facts = parcel(
        status=status, usual=usual * HOUR, slow=(usual + more) * HOUR, is_reported=is_reported,
        estimated_at=None if estimated is None else NOW + estimated * HOUR,
    )  # fmt: skip

    before, after = verdict(facts, NOW + first * HOUR), verdict(facts, NOW + (first + wait) * HOUR)

    assert before.predicted_at is not None
    assert after.predicted_at is not None
    assert after.predicted_at >= before.predicted_at
    assert SEVERITY[after.trouble] >= SEVERITY[before.trouble]


@given(statuses, hours, hours)
def test_a_further_scan_never_makes_a_parcel_silent(status: ShipmentStatus, asked: int, scanned: int):
    facts = parcel(status=status)
    later = max(facts.seen_at, NOW + min(scanned, asked) * HOUR)
    seen = replace(facts, seen_at=later, silent_at=later + 24 * HOUR)

    before, after = verdict(facts, NOW + asked * HOUR), verdict(seen, NOW + asked * HOUR)

    if after.trouble is Trouble.SILENT:
        assert before.trouble is Trouble.SILENT
