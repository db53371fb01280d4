"""What is compared: the facts that tell devices apart, as a record or a known device states them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final


class Fact(StrEnum):
    """A fact that tells devices apart."""

    SERIAL = "serial"
    MANUFACTURER = "manufacturer"
    ASSET_TAG = "asset_tag"
    MAC = "mac"
    HOSTNAME = "hostname"
    SITE = "site"
    PRODUCT = "product"


class Agreement(StrEnum):
    """How what a record states compares with what is known. missing: at least one of the two says nothing."""

    AGREES = "agrees"
    DIFFERS = "differs"
    MISSING = "missing"


@dataclass(frozen=True, slots=True)
class DeviceFacts:
    """What is stated of a device. Texts are folded as the hub keeps them, None and empty: not stated.

    manufacturer: its folded name. site, product: ids of the hub's. hostname: without its domain.
    """

    serial: str | None = None
    manufacturer: str | None = None
    asset_tag: str | None = None
    macs: frozenset[str] = frozenset()
    hostname: str | None = None
    site: int | None = None
    product: int | None = None

    def stated(self, fact: Fact) -> frozenset[str | int]:
        """The values of a fact, none where nothing is stated."""
        if fact is Fact.MAC:
            return frozenset(self.macs)
        value: str | int | None = getattr(self, fact.value)
        return _NOTHING if value is None else frozenset((value,))

    def compare(self, fact: Fact, other: DeviceFacts) -> Agreement:
        """Whether the two state the same of a fact; of addresses one in common is enough."""
        mine, theirs = self.stated(fact), other.stated(fact)
        if not mine or not theirs:
            return Agreement.MISSING
        return Agreement.AGREES if mine & theirs else Agreement.DIFFERS


_NOTHING: Final[frozenset[str | int]] = frozenset()


@dataclass(frozen=True, slots=True)
class KnownDevice:
    """A device that the hub has. sources: the ids of the sources that know it now, each by a reference of its own."""

    id: int
    facts: DeviceFacts
    name: str | None = None
    is_retired: bool = False
    sources: frozenset[int] = field(default_factory=frozenset)

    def with_macs(self, macs: frozenset[str]) -> KnownDevice:
        """The same with all of its addresses."""
        return replace(self, facts=replace(self.facts, macs=macs))

    def compared(self, record: DeviceFacts) -> Mapping[Fact, Agreement]:
        """Each fact, and how the record's agrees with this device's."""
        return {fact: record.compare(fact, self.facts) for fact in Fact}
