"""All checks, for pytest and without it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, ClassVar

from connector.sdk.errors import ConfigError
from connector.sdk.registry import load_adapter
from connector.sdk.testing.check import Check, run_check
from connector.sdk.testing.checks import ALL_CHECKS
from connector.sdk.testing.contract import CheckResult, Contract, Outcome


async def run_contract(
    contract: Contract,
    *,
    checks: Sequence[Check] = ALL_CHECKS,
    on_result: Callable[[CheckResult], None] | None = None,
) -> list[CheckResult]:
    """Run the checks, in order of their numbers. on_result: told of each as it ends, for a progress bar."""
    try:
        loaded = load_adapter(contract.adapter)
    except ConfigError:
        loaded = None  # each check says so
    results: list[CheckResult] = []
    for check in checks:
        result = await run_check(contract, check, loaded)
        results.append(result)
        if on_result is not None:
            on_result(result)
    return results


class AdapterContract:
    """The checks as a pytest class: derive from it, name it Test..., and set `contract`."""

    contract: ClassVar[Contract]

    def pytest_generate_tests(self, metafunc: Any) -> None:
        """One test for each check."""
        if "contract_check" in metafunc.fixturenames:
            metafunc.parametrize("contract_check", ALL_CHECKS, ids=[check.name for check in ALL_CHECKS])

    def test_keeps_the_contract(self, contract_check: Check) -> None:
        """The adapter keeps this promise, or its system has no such thing."""
        import pytest

        result = asyncio.run(run_check(self.contract, contract_check))
        if result.outcome is Outcome.NOT_APPLICABLE:
            pytest.skip(f"not applicable: {result.reason}")
        if result.outcome is Outcome.FAILED:
            pytest.fail(f"check {result.number}, {result.title}: {result.reason}", pytrace=False)
