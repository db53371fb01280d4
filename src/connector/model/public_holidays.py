"""Public holidays of a country or of a part of it, from the package `holidays`.

A region is an ISO 3166-1 alpha-2 country, `DE`, or one of its parts, `DE-BY`, as the package names them. The package
is loaded when somebody first asks, and the days of a year are found once.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from difflib import get_close_matches
from functools import lru_cache
from warnings import catch_warnings, simplefilter

_SHORTEST_NAME = 4
"""Characters from which on a text is compared as a name, less loosely than a code."""


@lru_cache(maxsize=4096)
def public_holidays(region: str, year: int) -> frozenset[date]:
    """The days of a year on which the region's businesses are closed, days observed instead of a weekend included.

    Raises ValueError for a region that `check_region` refuses.
    """
    from holidays import country_holidays

    country, _, part = check_region(region).partition("-")
    with catch_warnings():
        simplefilter("ignore")  # that of some countries not every year is known to the day
        return frozenset(country_holidays(country, subdiv=part or None, years=year, expand=False))


def check_region(region: str) -> str:
    """Return the region if its holidays are known.

    Raises ValueError naming the nearest regions that are.
    """
    country, _, part = region.partition("-")
    known = _parts()
    if country not in known:
        raise ValueError(f"country {country!r} has no known public holidays{_meant(_near_countries(country))}")
    if part and part not in known[country]:
        near = [f"{country}-{other}" for other in _near_parts(country, part)]
        raise ValueError(
            f"{country} has no part {part!r} with public holidays of its own{_meant(near)}"
            if known[country]
            else f"{country} has the same public holidays everywhere: write {country!r}"
        )
    if region.endswith("-"):
        raise ValueError(f"region {region!r} ends in a hyphen: write {country!r}, or a part of it behind the hyphen")
    return region


@lru_cache(maxsize=4096)
def region_of(country: str, state: str | None) -> str | None:
    """The region of an address; None when the country's holidays are not known.

    state: as the address has it, `BY`, `DE-BY` or `Bayern`; one that cannot be recognised leaves the country.
    """
    code = country.upper()
    if code not in _parts():
        return None
    part = _part_names(code).get((state or "").strip().casefold().removeprefix(f"{code.casefold()}-"))
    return f"{code}-{part}" if part else code


@lru_cache(maxsize=1)
def _parts() -> Mapping[str, Sequence[str]]:
    from holidays import list_supported_countries

    return list_supported_countries(include_aliases=False)


@lru_cache(maxsize=256)
def _part_names(country: str) -> Mapping[str, str]:
    """The parts of a country by everything that they are called, in lower case."""
    from holidays import country_holidays

    aliases = country_holidays(country).subdivisions_aliases
    return {name.casefold(): code for name, code in [*aliases.items(), *((code, code) for code in _parts()[country])]}


def _near_countries(text: str) -> list[str]:
    """Countries whose code or English name resembles the text."""
    from holidays.registry import COUNTRIES

    names = {name.replace("_", " ").casefold(): codes[1] for key, codes in COUNTRIES.items() for name in (key, *codes)}
    if text.casefold() in names:
        return [names[text.casefold()]]
    near = get_close_matches(text.casefold(), names, n=5, cutoff=0.5 if len(text) < _SHORTEST_NAME else 0.7)
    return list(dict.fromkeys(names[name] for name in near))[:3]


def _near_parts(country: str, text: str) -> list[str]:
    """Parts of a country whose code or name resembles the text."""
    names = _part_names(country)
    near = [names[name] for name in get_close_matches(text.casefold(), names, n=3, cutoff=0.5)]
    return list(dict.fromkeys(near)) or list(_parts()[country][:3])


def _meant(near: Sequence[str]) -> str:
    return f": did you mean {' or '.join(near)}?" if near else ": write an ISO 3166-1 alpha-2 code, for example 'DE'"
