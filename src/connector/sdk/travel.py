"""What a provider of travel times is: it is asked beforehand how long the roads between places take.

Two come with the hub, `great_circle` and `osrm`; any package may declare others as entry points of the group
`connector.travel_times`. A decision never asks one: it uses what was kept.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from typing import Any, Protocol

import httpx
from pydantic import ValidationError

from connector.model.geo import Point
from connector.sdk.adapter import Clock
from connector.sdk.client import SourceClient, secrets_of
from connector.sdk.config import AdapterConfig
from connector.sdk.egress import ANYWHERE_PUBLIC, Egress
from connector.sdk.errors import ConfigError

GROUP = "connector.travel_times"
BUILT_IN: Mapping[str, str] = {
    "great_circle": "connector.sdk.great_circle:GreatCircle",
    "osrm": "connector.sdk.osrm:Osrm",
}
NO_SERVER = "http://localhost"


@dataclass(frozen=True, slots=True)
class RoadTime:
    """A way by road. minutes: rounded up; both None when there is no way."""

    minutes: int | None
    km: float | None


class TravelTimes(Protocol):
    """A provider. Built with its own settings and the client that carries its requests."""

    def __init__(self, config: Any, http: SourceClient) -> None: ...

    @classmethod
    def config_type(cls) -> type[AdapterConfig]:
        """Its settings: the keys of `[travel_time]` that the hub does not know itself."""

    @property
    def most_origins(self) -> int:
        """How many origins one question may have."""

    async def measure(self, origins: Sequence[Point], target: Point) -> Sequence[RoadTime]:
        """The road from each origin to the target, in their order. Raises AdapterError."""


@dataclass(frozen=True, slots=True)
class TravelConnection:
    """A provider under its name, and its client."""

    name: str
    provider: TravelTimes
    http: SourceClient

    async def aclose(self) -> None:
        """Close the client's connections."""
        await self.http.aclose()


def provider_names() -> tuple[str, ...]:
    """Names of all providers, without loading any."""
    return tuple(sorted({*BUILT_IN, *(point.name for point in entry_points(group=GROUP))}))


def load_provider(name: str) -> type[TravelTimes]:
    """The provider class of that name. Raises ConfigError saying why it cannot be used."""
    if name in BUILT_IN:
        module, _, attribute = BUILT_IN[name].partition(":")
        return getattr(__import__(module, fromlist=[attribute]), attribute)  # type: ignore[no-any-return]
    found = [point for point in entry_points(group=GROUP) if point.name == name]
    if len(found) != 1:
        problem = "more than one package declares it" if found else "it is not installed"
        raise ConfigError(
            f"travel-time provider {name!r} cannot be used: {problem}",
            operation="load travel-time provider",
            hint=f"Known are: {', '.join(provider_names())}.",
        )
    try:
        loaded: type[TravelTimes] = found[0].load()
    except Exception as error:
        raise ConfigError(
            f"travel-time provider {name!r} fails to load with {type(error).__name__}: {error}",
            operation="load travel-time provider",
        ) from error
    return loaded


def travel_problems(name: str, settings: Mapping[str, object]) -> tuple[str, ...]:
    """Everything that is wrong with a provider's name and settings, each with key and expectation; no values."""
    try:
        config_type = load_provider(name).config_type()
    except ConfigError as error:
        return (f"travel_time.provider: {error.message}. Known are: {', '.join(provider_names())}",)
    try:
        config_type.model_validate(dict(settings))
    except ValidationError as error:
        found = error.errors(include_input=False, include_url=False)
        return tuple(f"{'.'.join(['travel_time', *map(str, item['loc'])])}: {item['msg']}" for item in found)
    return ()


def connect_travel_times(
    name: str,
    settings: Mapping[str, object],
    *,
    clock: Clock,
    egress: Egress = ANYWHERE_PUBLIC,
    transport: httpx.AsyncBaseTransport | None = None,
) -> TravelConnection:
    """Load a provider and build it; no I/O. Raises ConfigError with every problem of its settings."""
    problems = travel_problems(name, settings)
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigError(f"[travel_time] cannot be used:\n{listed}", operation="read settings")
    provider = load_provider(name)
    config = provider.config_type().model_validate(dict(settings))
    http = SourceClient(
        config.server() or NO_SERVER,
        headers=config.headers(),
        timeout=config.timeout,
        deadline=config.deadline,
        ca_bundle=config.ca_bundle,
        max_concurrency=config.max_concurrency,
        requests_per_minute=config.requests_per_minute,
        secrets=secrets_of(config),
        egress=egress,
        transport=transport,
        now=clock.now,
    )
    return TravelConnection(name, provider(config, http), http)
