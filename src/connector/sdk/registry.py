"""Finds installed adapters. Nothing is loaded before a configured source names it."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from connector.sdk.adapter import API_VERSION, Adapter
from connector.sdk.errors import ConfigError

GROUP = "connector.adapters"
NAME = re.compile(r"[a-z][a-z0-9_]*")

AdapterType = type[Adapter[Any]]


@dataclass(frozen=True, slots=True)
class Installed:
    """An adapter that some installed package declares. problem: why it cannot be used, or None."""

    name: str
    package: str
    adapter: AdapterType | None
    problem: str | None


def installed_adapters() -> tuple[Installed, ...]:
    """Every declared adapter, loaded, with the reason beside those that cannot be used; by name."""
    found = tuple(entry_points(group=GROUP))
    twice = {name for name, count in Counter(point.name for point in found).items() if count > 1}
    return tuple(_inspect(point, twice) for point in sorted(found, key=lambda point: point.name))


def adapter_names() -> tuple[str, ...]:
    """Names of all declared adapters, without loading any."""
    return tuple(sorted({point.name for point in entry_points(group=GROUP)}))


def load_adapter(name: str) -> AdapterType:
    """The adapter class of that name. Raises ConfigError saying why it cannot be used."""
    found = tuple(entry_points(group=GROUP))
    twice = {name for name, count in Counter(point.name for point in found).items() if count > 1}
    for point in found:
        if point.name == name:
            result = _inspect(point, twice)
            if result.adapter is None:
                raise ConfigError(
                    f"adapter {name!r} of package {result.package!r} cannot be used: {result.problem}",
                    operation="load adapter",
                    hint="`connector adapters list` shows all of them.",
                )
            return result.adapter
    known = ", ".join(adapter_names()) or "none"
    raise ConfigError(
        f"adapter {name!r} is not installed",
        operation="load adapter",
        hint=f"Installed are: {known}. Install the package that brings it, or correct the name.",
    )


def _inspect(point: EntryPoint, twice: set[str]) -> Installed:
    package = point.dist.name if point.dist else "unknown"
    problem: str | None = None
    adapter: AdapterType | None = None
    if not NAME.fullmatch(point.name):
        problem = f"its name {point.name!r} is not of the form [a-z][a-z0-9_]*"
    elif point.name in twice:
        problem = "more than one installed package declares this name"
    else:
        try:
            loaded = point.load()
        except Exception as error:  # noqa: BLE001 - a plugin may fail in any way and disables only itself
            problem = f"it fails to load with {type(error).__name__}: {error}"
        else:
            problem = _unfit(loaded)
            adapter = loaded if problem is None else None
    return Installed(name=point.name, package=package, adapter=adapter, problem=problem)


def _unfit(loaded: object) -> str | None:
    if not (isinstance(loaded, type) and issubclass(loaded, Adapter)):
        return f"its entry point names {loaded!r}, which is no Adapter class"
    if loaded.api_version != API_VERSION:
        return f"it was written for adapter API {loaded.api_version}, this hub speaks {API_VERSION}"
    return None
