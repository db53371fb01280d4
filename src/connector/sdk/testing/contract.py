"""What an adapter's package declares so that its contract can be checked, and how that is found."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from importlib import import_module
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from connector.model.records import Record
from connector.sdk.adapter import Clock
from connector.sdk.errors import ConfigError
from connector.sdk.registry import GROUP
from connector.sdk.testing.sandbox import NotApplicable, Sandbox

MODULE = "contract"
"""Name of the module, beside or inside the module that the entry point names, that holds `CONTRACT`."""


@dataclass(frozen=True, slots=True)
class Golden:
    """Payloads of the real system and the records that they must become.

    folder: `NAME.json` (or any other ending) beside `NAME.expected.json`, a list of records
    as JSON, without the fields that are not known; `SOURCES.md` says where each comes from.
    read: the adapter's pure mapping; file name and bytes to records.
    """

    folder: Path
    read: Callable[[str, bytes], Sequence[Record]]


@dataclass(frozen=True, slots=True)
class Contract:
    """Everything that the kit needs to check an adapter.

    adapter: its name, as the entry point declares it. sandbox: makes a new, empty copy of the system that tells
    the time by the given clock. golden: recorded payloads, or why there are none.
    """

    adapter: str
    sandbox: Callable[[Clock], Sandbox]
    golden: Golden | NotApplicable


class Outcome(StrEnum):
    """How a check ended."""

    PASSED = "pass"
    FAILED = "fail"
    NOT_APPLICABLE = "not applicable"


@dataclass(frozen=True, slots=True)
class CheckResult:
    """One line of the quality table.

    reason: of a failure what, where, why and what to do; of "not applicable" why; of a pass what was left out,
    often nothing.
    """

    number: int
    title: str
    outcome: Outcome
    reason: str = ""


def find_contract(adapter: str) -> Contract:
    """The contract that an installed adapter's package declares.

    It is the object `CONTRACT` in the module `contract` of the package that the entry point names:
    `connector_acme:Acme` and `connector_acme.adapter:Acme` both declare it in `connector_acme/contract.py`.
    Raises ConfigError saying where it was looked for.
    """
    points = [point for point in entry_points(group=GROUP) if point.name == adapter]
    if not points:
        known = ", ".join(sorted({point.name for point in entry_points(group=GROUP)})) or "none"
        raise ConfigError(
            f"adapter {adapter!r} is not installed",
            operation="find contract",
            hint=f"Installed are: {known}. Install the package that brings it, or correct the name.",
        )
    module = points[0].module
    places = [f"{module}.{MODULE}", f"{module.rpartition('.')[0]}.{MODULE}".lstrip(".")]
    for place in places:
        if place != MODULE and _exists(place):
            found = getattr(import_module(place), "CONTRACT", None)
            if isinstance(found, Contract):
                return found
            raise ConfigError(
                f"module {place!r} declares no CONTRACT",
                operation="find contract",
                hint="Write: CONTRACT = Contract(adapter=..., sandbox=..., golden=...).",
            )
    raise ConfigError(
        f"adapter {adapter!r} declares no contract: there is no module {places[0]!r}",
        operation="find contract",
        hint="See connector.sdk.testing for the few lines that it takes.",
    )


def _exists(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False
