"""Where people work, as the directory says it, and the sites and hubs that follow from that. Pure.

Entra ID has no places, only texts of each person: office, city, state, country. A site is what people share.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from hashlib import blake2b
from typing import TypeVar
from urllib.parse import quote

from connector.sdk import Address, EntityKind, HubRecord, InvalidRecord, Point, Rejected, SiteRecord, SourceRef
from connector.sdk.answers import rejected
from connector.sdk.rest import optional
from connector_intune.config import IntuneConfig, folded
from connector_intune.graph import Row

COLUMNS = "id,officeLocation,city,state,country,usageLocation,streetAddress,postalCode"
LONGEST = 200
T = TypeVar("T", str, tuple[str, str], tuple[str, str, str])


@dataclass(frozen=True, slots=True)
class Workplace:
    """Where one person works. country: ISO 3166-1 alpha-2, where that is known."""

    name: str
    city: str
    country: str

    def ref(self) -> SourceRef:
        """Of the site: by country, city and office, in any case. A renamed office is another site."""
        parts = [folded(part) for part in (self.country, self.city, self.name)]
        told = "/".join(quote(part, safe=" ") for part in parts)
        if len(told) > LONGEST:
            told = f"site-{blake2b(told.encode(), digest_size=16).hexdigest()}"
        return SourceRef(kind=EntityKind.SITE, external_id=told)


def hub_ref(name: str) -> SourceRef:
    """A hub, by the name that the settings give it."""
    return SourceRef(kind=EntityKind.HUB, external_id=folded(name)[:255])


def hub_records(config: IntuneConfig) -> tuple[HubRecord, ...]:
    """The hubs of the settings."""
    return tuple(
        HubRecord(ref=hub_ref(name), name=name, point=_point(config, name))
        for name in sorted(set(config.hub_categories.values()))
    )


def workplace(row: Row, config: IntuneConfig) -> Workplace | None:
    """Where a person works; None where the directory does not say, or it is no place. Raises InvalidRecord."""
    if config.places == "none":
        return None
    office, city = _text(row, "officeLocation"), _text(row, "city")
    if office and not config.is_site(office):
        return None
    name = (office or city) if config.places == "office" else city
    return Workplace(name=name, city=city, country=_country(row)) if name else None


@dataclass
class Sites:
    """Sites, as one person after the other tells of them.

    What most people of a site write is taken. A street only where more than half of those who state one state the same:
    many directories have the street where somebody lives.
    """

    config: IntuneConfig
    _names: dict[SourceRef, Counter[tuple[str, str, str]]] = field(default_factory=dict)
    _states: dict[SourceRef, Counter[str]] = field(default_factory=dict)
    _streets: dict[SourceRef, Counter[tuple[str, str]]] = field(default_factory=dict)

    def add_all(self, rows: Sequence[Row]) -> tuple[Rejected, ...]:
        """More people; those whose place cannot be read are given back."""
        refused: list[Rejected] = []
        for row in rows:
            try:
                self._add(row)
            except InvalidRecord as error:
                refused.append(rejected(row, error, None))
        return tuple(refused)

    def records(self) -> list[SiteRecord]:
        """All of them, in the order of their references."""
        return [self._record(ref) for ref in sorted(self._names, key=str)]

    def _add(self, row: Row) -> None:
        found = workplace(row, self.config)
        if found is None:
            return
        street, code, state = _text(row, "streetAddress"), _text(row, "postalCode"), _text(row, "state")
        ref = found.ref()
        self._names.setdefault(ref, Counter())[found.name, found.city, found.country] += 1
        if state:
            self._states.setdefault(ref, Counter())[state] += 1
        if street:
            self._streets.setdefault(ref, Counter())[street, code] += 1

    def _record(self, ref: SourceRef) -> SiteRecord:
        name, city, country = _most(self._names[ref])
        streets = self._streets.get(ref, Counter())
        street, code = _most(streets) if streets else ("", "")
        if streets[street, code] * 2 <= streets.total():
            street = code = ""
        states = self._states.get(ref)
        address = Address(
            line1=street or None, postal_code=code or None, city=city or None, state=_most(states) if states else None,
            country=country if len(country) == 2 else None,
        )  # fmt: skip
        return SiteRecord(ref=ref, name=name, point=_point(self.config, name), address=address)


def _most(counted: Counter[T]) -> T:
    """What was told most often; of several the first in their order, so that two readings say the same."""
    return min(counted, key=lambda told: (-counted[told], told))


def _text(row: Row, name: str) -> str:
    return " ".join((optional(row, name) or "").split())[:255]


def _country(row: Row) -> str:
    """`country` is what somebody typed; the usage location is a code, without which nobody gets a licence."""
    told, usage = _text(row, "country"), _text(row, "usageLocation")
    for code in (told, usage):
        if len(code) == 2 and code.isascii() and code.isalpha():
            return "GB" if code.upper() == "UK" else code.upper()
    return told


def _point(config: IntuneConfig, name: str) -> Point | None:
    found = config.point_of(name)
    return Point(*found) if found else None
