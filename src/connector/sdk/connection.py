"""From a name and settings to a live adapter."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import ValidationError

from connector.sdk.adapter import Adapter, Clock
from connector.sdk.calls import Observe
from connector.sdk.client import SourceClient, secrets_of
from connector.sdk.config import AdapterConfig
from connector.sdk.egress import ANYWHERE_PUBLIC, Egress
from connector.sdk.errors import ConfigError
from connector.sdk.registry import AdapterType, load_adapter

NO_SERVER = "http://localhost"
"""Base address for adapters that talk to no server; they never use it."""


@dataclass(frozen=True, slots=True)
class Connection:
    """A configured source: its name in connector.toml, the adapter that serves it, and their HTTP client."""

    name: str
    adapter_name: str
    adapter: Adapter[Any]
    http: SourceClient

    async def aclose(self) -> None:
        """Close the client's connections."""
        await self.http.aclose()


def connect(
    name: str,
    adapter_name: str,
    settings: Mapping[str, object],
    *,
    clock: Clock,
    attempts: int = 4,
    egress: Egress = ANYWHERE_PUBLIC,
    transport: httpx.AsyncBaseTransport | None = None,
    observe: Observe | None = None,
) -> Connection:
    """Load the adapter, validate its settings and build it; no I/O. observe: told of each request to the system.

    Raises ConfigError with every problem of the settings.
    """
    adapter_type = load_adapter(adapter_name)
    config = read_config(name, adapter_type, settings)
    http = SourceClient(
        config.server() or NO_SERVER,
        headers=config.headers(),
        timeout=config.timeout,
        deadline=config.deadline,
        ca_bundle=config.ca_bundle,
        max_concurrency=config.max_concurrency,
        requests_per_minute=config.requests_per_minute,
        attempts=attempts,
        secrets=secrets_of(config),
        egress=egress,
        transport=transport,
        now=clock.now,
        observe=observe,
    )
    return Connection(name=name, adapter_name=adapter_name, adapter=adapter_type(config, http, clock), http=http)


def read_config(name: str, adapter_type: AdapterType, settings: Mapping[str, object]) -> AdapterConfig:
    """The settings as the adapter's own class. Raises ConfigError naming key, expectation and example of each."""
    problems = config_problems(name, adapter_type, settings)
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise ConfigError(f"settings of source {name!r} cannot be used:\n{listed}", operation="read settings")
    config: AdapterConfig = adapter_type.config_type().model_validate(dict(settings))
    return config


def config_problems(name: str, adapter_type: AdapterType, settings: Mapping[str, object]) -> tuple[str, ...]:
    """Everything that is wrong with a source's settings, each with key, expectation and example; no values."""
    config_type: type[AdapterConfig] = adapter_type.config_type()
    try:
        config_type.model_validate(dict(settings))
    except ValidationError as error:
        return tuple(
            _problem(f"sources.{name}", config_type, item["loc"], item["msg"])
            for item in error.errors(include_input=False, include_url=False)
        )
    return ()


def _problem(where: str, config_type: type[AdapterConfig], loc: tuple[int | str, ...], message: str) -> str:
    field = config_type.model_fields.get(str(loc[0])) if loc else None
    example = f" Example: {field.examples[0]!r}." if field and field.examples else ""
    return f"{'.'.join([where, *map(str, loc)])}: {message}.{example}"
