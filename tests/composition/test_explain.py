"""How an explanation is told on the command line and over GraphQL, beyond what the decision itself says."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from tests.rules.cases import NOW, facts, holding, hub, policy, ticket_of

from connector.api.schema.explanation import explanation_of
from connector.cli.explain import due_lines
from connector.rules.facts.ticket import ServiceClassFacts
from connector.rules.sourcing.decide import decide
from connector.rules.sourcing.decision import Decision

COMPUTED = "opened at 2026-11-25 09:00Z plus 240 min of 24x7 in Europe/Berlin (service class 'critical')"


def decision(stated: datetime | None, *, service_class: str | None = "critical") -> Decision:
    case = facts([hub(1)], [holding(1)])
    if service_class:
        case = replace(case, service_class=ServiceClassFacts(service_class, 1, "24x7"))
    return decide(replace(case, ticket=ticket_of(case, sla_due_at=stated)), policy(), NOW)


@pytest.mark.parametrize(
    ("made", "lines"),
    [
        (decision(None), [f"due Wed 25 Nov 13:00 UTC ({COMPUTED}), margin 210 min"]),
        (decision(None, service_class=None), []),
        (
            decision(datetime(2026, 11, 25, 13, 10, tzinfo=UTC)),
            [
                "due Wed 25 Nov 13:10 UTC (due time of the ticket), margin 220 min",
                f"computed due Wed 25 Nov 13:00 UTC ({COMPUTED})",
                "stated minus computed: +10 min, within the 15 min of tolerance",
            ],
        ),
        (
            decision(datetime(2026, 11, 25, 11, 0, tzinfo=UTC)),
            [
                "due Wed 25 Nov 11:00 UTC (due time of the ticket), margin 90 min",
                f"computed due Wed 25 Nov 13:00 UTC ({COMPUTED})",
                "stated minus computed: -120 min, DISPUTED, the policy tolerates 15 min",
            ],
        ),
        (
            decision(datetime(2026, 11, 25, 11, 0, tzinfo=UTC), service_class=None),
            [
                "due Wed 25 Nov 11:00 UTC (due time of the ticket), margin 90 min",
                "not compared with a computed due time: no service class is known, so any arrival counts as in time",
            ],
        ),
    ],
    ids=["computed", "neither", "agreed", "disputed", "stated"],
)
def test_the_command_line_tells_both_due_times(made: Decision, lines: list[str]):
    assert due_lines(made) == lines


def test_graphql_tells_both_due_times_and_whose_holidays_count():
    found = explanation_of(decision(datetime(2026, 11, 25, 11, 0, tzinfo=UTC)).explanation())

    assert (found.due_at, found.stated_due_at) == (datetime(2026, 11, 25, 11, 0, tzinfo=UTC),) * 2
    assert (found.computed_due_at, found.computed_due_basis) == (datetime(2026, 11, 25, 13, 0, tzinfo=UTC), COMPUTED)
    assert (found.due_difference_minutes, found.is_due_disputed) == (-120, True)
    unknown = "with public holidays (the {} has no country and the policy no default_country)"
    assert found.site_access == "24x7 in Europe/Berlin"
    assert found.site_delivery == f"Mon-Fri 08:00-18:00 in Europe/Berlin {unknown.format('site')}"
    assert found.chosen is not None
    assert found.chosen.hours == f"24x7 in Europe/Berlin; couriers collect {unknown.format('hub')}"


def test_graphql_reads_explanations_that_were_kept_without_these():
    content = decision(None).explanation()
    del content["site"]
    content["sla"] = {name: content["sla"][name] for name in ("due_at", "basis", "margin_minutes")}
    for candidate in (content["chosen"], *content["candidates"]):
        del candidate["hours"]

    found = explanation_of(content)

    assert (found.due_at, found.computed_due_at, found.is_due_disputed, found.site_access) == (
        datetime(2026, 11, 25, 13, 0, tzinfo=UTC), None, False, "",
    )  # fmt: skip
    assert found.chosen is not None
    assert found.chosen.hours == ""
