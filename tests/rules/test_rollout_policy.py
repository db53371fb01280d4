"""What a policy says about rollouts: the risk of sites, and what is wrong with it."""

from __future__ import annotations

from typing import Any

import pytest
from tests.rules.cases import NOW, POLICY, facts

from connector.rules.facts.ticket import ServiceClassFacts, SiteFacts
from connector.rules.policy.conditions import Facts
from connector.rules.policy.reading import InvalidPolicy, read_policy
from connector.rules.policy.rollouts import Risk, Rollouts, risk_of
from connector.rules.sourcing.scope import scope_of

TEXT = POLICY.replace("RULE", "hold_minutes: 60")


def rollouts(*risk: tuple[str, int], **values: Any) -> Rollouts:
    return Rollouts.model_validate({"risk": [{"when": when, "risk": number} for when, number in risk], **values})


def at(service_class: str | None = None, **values: Any) -> Facts:
    known = None if service_class is None else ServiceClassFacts(service_class, 240, "24x7")
    site = SiteFacts(id=1, name="Shop", code="S1", **values)
    return Facts(scope_of(facts(site=site, service_class=known), known, now=NOW))


def test_the_first_rule_that_holds_says_the_risk_of_a_site_else_the_default():
    policy = rollouts(("site.service_class == 'critical'", 90), ("site.region == 'LAB'", 0), default_risk=40)

    assert risk_of(at("critical", region="LAB"), policy) == Risk(
        90, "rollouts.risk[0]: site.service_class == 'critical'"
    )
    assert risk_of(at(region="LAB"), policy) == Risk(0, "rollouts.risk[1]: site.region == 'LAB'")
    assert risk_of(at("office"), policy) == Risk(40, "rollouts.default_risk")


def test_a_rule_that_cannot_be_evaluated_does_not_count_and_that_is_told():
    when = "site.code in ['', 'P1'] || int(site.code) > 5"
    policy = rollouts((when, 90))

    risk = risk_of(at(), policy)

    assert risk.value == 50
    assert risk.basis.startswith(
        f"rollouts.default_risk; risk[0] does not count: condition {when!r} cannot be evaluated"
    )


@pytest.mark.parametrize(
    ("rollouts", "path", "problem"),
    [
        ("{wave_siz: 3}", "rollouts.wave_siz", "is no field here (given: 3): did you mean 'wave_size'?"),
        ("{halt_percent: 0}", "rollouts.halt_percent", "greater than or equal to 1"),
        ("{risk: [{when: site.cod == 'A', risk: 1}]}", "rollouts.risk[0].when", "did you mean site.code?"),
        ("{approval: board}", "rollouts.approval", "names 'board', which is not under approvals: known are none"),
        (
            "{risk: [{when: product.status == 'new', risk: 1}]}", "rollouts.risk[0].when",
            "compares product.status with 'new', which it never is",
        ),
        (
            "{risk: [{when: 'site.known', risk: 1}, {when: \"site.known && site.region == 'EU'\", risk: 2}]}",
            "rollouts.risk[1].when", "can never match: wherever it is true, risk[0] before it is true as well",
        ),
        (
            "{risk: [{when: \"site.region == 'A' && site.region == 'B'\", risk: 2}]}", "rollouts.risk[0].when",
            "can never match: ",
        ),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused_with_its_place(rollouts: str, path: str, problem: str):
    with pytest.raises(InvalidPolicy) as caught:
        read_policy(f"{TEXT}rollouts: {rollouts}\n")

    assert problem in " ".join(item.text for item in caught.value.found if item.path == path)
