"""Lists of names that devices refer to: statuses, manufacturers, models. They are few, and read whole."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from dataclasses import dataclass, field

from connector.sdk import ConfigError
from connector_glpi.api import SYSTEM, Api
from connector_glpi.config import GlpiConfig
from connector_glpi.rows import Named, read_row
from connector_glpi.words import DeviceType


async def read_names(api: Api, kind: str, config: GlpiConfig, operation: str) -> dict[int, Named]:
    """A list by its ids."""
    found: dict[int, Named] = {}
    async with aclosing(api.walk(kind, operation).along_ids()) as pages:
        async for rows in pages:
            for row in rows:
                named = read_row(Named, row, kind, config.time_zone)
                found[named.id] = named
    return found


@dataclass(frozen=True, slots=True)
class Statuses:
    """Statuses of devices, which GLPI calls states."""

    by_id: Mapping[int, Named]
    config: GlpiConfig

    @classmethod
    async def read(cls, api: Api, config: GlpiConfig, operation: str) -> Statuses:
        """All of them."""
        return cls(await read_names(api, "State", config, operation), config)

    def name_of(self, number: int | None) -> str:
        """What the settings call a status: its name, or its whole name where only that has a meaning; "" without."""
        named = self.by_id.get(number or 0)
        if named is None:
            return f"state {number}" if number else ""
        name, whole = named.name or "", named.completename or named.name or ""
        own = {each.casefold() for each in (*self.config.states, *self._written())}
        known = self.config.asset_states()
        is_whole = whole.casefold() in own or (name.casefold() not in known and whole.casefold() in known)
        return whole if is_whole else name

    def id_of(self, name: str, operation: str) -> int:
        """The status of this name or whole name. Raises ConfigError."""
        wanted = name.strip().casefold()
        for named in self.by_id.values():
            if wanted == (named.completename or "").casefold():
                return named.id
        for named in self.by_id.values():
            if wanted == (named.name or "").casefold():
                return named.id
        raise ConfigError(
            f"{operation}: {SYSTEM} has no status {name!r}", operation=operation,
            hint="Correct in_use_status and failed_status, or make the status there.",
        )  # fmt: skip

    def told(self) -> list[str]:
        """For a fingerprint: records of devices depend on it."""
        return [f"{number}={self.name_of(number)}" for number in sorted(self.by_id)]

    def _written(self) -> tuple[str, str]:
        return self.config.in_use_status, self.config.failed_status


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Manufacturers, and the models of each type of device."""

    makers: Mapping[int, Named]
    models: Mapping[DeviceType, Mapping[int, Named]] = field(default_factory=dict)

    @classmethod
    async def read(cls, api: Api, config: GlpiConfig, operation: str) -> Catalogue:
        """All of them."""
        models = {kind: await read_names(api, f"{kind}Model", config, operation) for kind in config.device_types}
        return cls(await read_names(api, "Manufacturer", config, operation), models)

    def told(self) -> list[str]:
        """For a fingerprint: records of products depend on it."""
        makers = [f"{each.id}={each.name}" for each in self.makers.values()]
        models = [
            f"{kind}-{each.id}={each.name}/{each.product_number}"
            for kind, found in self.models.items()
            for each in found.values()
        ]
        return [*makers, *models]
