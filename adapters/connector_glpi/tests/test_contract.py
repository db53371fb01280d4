from __future__ import annotations

from dataclasses import replace

import pytest

from connector.sdk.testing.check import run_check
from connector.sdk.testing.checks import ALL_CHECKS
from connector.sdk.testing.contract import Outcome
from connector.sdk.testing.suite import AdapterContract
from connector_glpi.contract import CONTRACT
from connector_glpi.sandbox import GlpiV2Sandbox

OF_CLIENTS = (7, 8, 10, 18, 25, 32, 33, 34, 42, 43, 44)
"""Checks in which the interface matters; all of them pass, the others say nothing more of v2."""


class TestGlpi(AdapterContract):
    contract = CONTRACT


@pytest.mark.parametrize("number", OF_CLIENTS)
async def test_v2_keeps_the_contract_as_well(number: int):
    [check] = [check for check in ALL_CHECKS if check.number == number]
    result = await run_check(replace(CONTRACT, sandbox=GlpiV2Sandbox), check)

    assert (result.outcome, result.reason if result.outcome is Outcome.FAILED else "") == (Outcome.PASSED, "")
