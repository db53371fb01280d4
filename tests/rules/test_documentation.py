"""docs/rules.md names everything that a policy may say and a decision may answer."""

from __future__ import annotations

import re
from pathlib import Path

import connector.rules
from connector.rules.policy.conditions import SAMPLE
from connector.rules.policy.document import Criterion, Rule
from connector.rules.sourcing.decision import Reason

PAGE = (Path(__file__).parents[2] / "docs" / "rules.md").read_text(encoding="utf-8")
CODES = set(re.findall(r"`([a-z_0-9]+)`", PAGE))


def test_the_page_names_every_field_of_a_rule_and_every_criterion():
    assert {*Rule.model_fields, *(criterion.value for criterion in Criterion)} - CODES == set()


def test_the_page_names_every_reason_of_a_decision():
    assert {reason.value for reason in Reason if reason is not Reason.SOURCED} - CODES == set()


def test_the_page_names_every_reason_why_a_hub_cannot_serve():
    source = "".join(path.read_text() for path in Path(connector.rules.__file__).parent.rglob("*.py"))
    codes = set(re.findall(r'(?:refuse\([^"]*|Refusal\(|Losers\()"([a-z_]+)"', source))

    assert {"lane_not_allowed", "emptied", "condition_failed", "too_far"} <= codes
    assert codes - CODES == set()


def test_the_page_names_everything_that_a_condition_may_read():
    assert {field for fields in SAMPLE.values() for field in fields} | set(SAMPLE) <= CODES
