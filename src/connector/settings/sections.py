"""What the operator configures: `connector.toml`, and the environment over it.

Read once at the start, checked as a whole: every problem is told at once, and nothing starts before all are mended.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationInfo,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from connector.model.kinds import LabelFormat
from connector.model.lifecycle import TicketState
from connector.settings.auth import AuthSettings, is_loopback, is_speakable
from connector.settings.egress import EgressSettings
from connector.settings.events import EventSettings
from connector.settings.identity import IdentitySettings, identity_problems
from connector.settings.limits import LimitSettings
from connector.settings.postgresql import PostgresqlSettings, postgresql_problems
from connector.settings.quality import QualitySettings
from connector.settings.sources import SourceSettings, checked_cron
from connector.settings.telemetry import TelemetrySettings
from connector.settings.tls import TlsSettings

DEFAULT_FILE = "connector.toml"
ENVIRONMENT_PREFIX = "CONNECTOR_"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, defer_build=True, extra="forbid")


class ServerSettings(_Section):
    """Where the hub listens."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.", examples=["127.0.0.1"])
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.", examples=[8000])
    processes: int = Field(
        default=1, ge=1, le=64, description="How many processes serve behind the address.", examples=[4]
    )
    role: Literal["all", "api", "worker"] = Field(
        default="all",
        description="What its processes do: answer (`api`), pull and fulfil (`worker`), or both.",
        examples=["worker"],
    )
    keep_alive_seconds: int = Field(
        default=75, ge=1, le=3_600, description="Seconds after which a connection without requests is closed.",
        examples=[75],
    )  # fmt: skip
    longest_wait_seconds: float = Field(
        default=3.0, gt=0, le=60, description="A request that would wait longer for its answer is refused (503).",
        examples=[3.0],
    )  # fmt: skip
    public_url: str | None = Field(
        default=None, description="Address under which others reach the hub.", examples=["https://hub.example.com"]
    )
    tls: TlsSettings | None = Field(default=None, description="TLS of the hub itself; without it a proxy does that.")
    trusted_proxies: list[str] = Field(
        default_factory=list,
        description="Addresses and networks of proxies that say truly for whom they ask (X-Forwarded-For, -Proto).",
        examples=[["10.0.0.0/8"]],
    )

    @field_validator("trusted_proxies")
    @classmethod
    def _are_networks(cls, value: list[str]) -> list[str]:
        for given in value:
            try:
                ip_network(given)
            except ValueError as error:
                raise ValueError(f"{given!r} is no address, and no network such as '10.0.0.0/8': {error}") from error
        return value


class TicketSettings(_Section):
    """What is written to the tickets of one source, beside the note."""

    fields: dict[str, str] = Field(
        default_factory=dict,
        description="Custom field -> its text, with placeholders in braces.",
        examples=[{"Tracking Number": "{tracking_number}"}],
    )
    state: TicketState | None = Field(
        default=None, description="State that a sourced ticket is moved to; empty leaves it.", examples=["in_progress"]
    )


class FulfilmentSettings(_Section):
    """How reservations become parcels."""

    courier: str | None = Field(
        default=None, description="Name of the source that carries parcels.", examples=["parcels"]
    )
    label_format: LabelFormat = Field(
        default=LabelFormat.PDF, description="File format of labels, pdf or zpl.", examples=["pdf"]
    )
    notes_are_public: bool = Field(
        default=True, description="Whether requesters see the notes on their tickets.", examples=[True]
    )
    lanes_asked_ahead: int = Field(
        default=100,
        ge=0,
        le=10_000,
        description="Lanes that the courier is asked about beforehand, each hour.",
        examples=[100],
    )
    tickets: dict[str, TicketSettings] = Field(
        default_factory=dict,
        description="Source -> what is written to its tickets.",
        examples=[{"itsm": {"fields": {"Tracking Number": "{tracking_number}"}}}],
    )


class TravelTimeSettings(BaseModel):
    """Who measures roads beforehand. Keys beyond these belong to the provider, which checks them."""

    model_config = ConfigDict(frozen=True, defer_build=True, extra="allow")

    provider: str | None = Field(
        default=None, description="Name of the provider; decisions use the great circle when empty.", examples=["osrm"]
    )
    schedule: str = Field(
        default="*/15 * * * *",
        description="When to measure what is new, moved or old, as cron.",
        examples=["0 * * * *"],
    )
    within_km: float = Field(
        default=200, gt=0, le=5_000, description="Great circle up to which roads are measured.", examples=[200]
    )
    max_age_days: int = Field(
        default=30, ge=1, le=3_650, description="Days after which a road is measured again.", examples=[30]
    )

    @field_validator("schedule")
    @classmethod
    def _is_cron(cls, value: str) -> str:
        return checked_cron(value)

    def provider_settings(self) -> dict[str, object]:
        """The keys that belong to the provider."""
        return dict(self.__pydantic_extra__ or {})


ORIGIN = re.compile(r"https?://([a-z0-9.-]+|\[[0-9a-f:]+\])(:[0-9]+)?")
"""As browsers write it: nothing behind the port, and no wildcard."""


class GraphQLSettings(_Section):
    """What the GraphQL endpoint allows."""

    documents: Literal["any", "trusted"] = Field(
        default="any",
        description="Which documents are run: any, or only those in graphql/operations and in the folders.",
        examples=["trusted"],
    )
    folders: list[Path] = Field(
        default_factory=list, description="Folders with documents that are trusted, too.", examples=[["portal/graphql"]]
    )
    largest_cost: int = Field(
        default=50_000, ge=1, description="What one operation may cost, see graphql.md.", examples=[50_000]
    )

    introspection: bool = Field(default=True, description="Whether clients may ask for the schema.", examples=[False])
    origins: list[str] = Field(
        default_factory=list,
        description="Origins whose pages may ask the hub from a browser.",
        examples=[["https://portal.example.com"]],
    )
    federation: bool = Field(
        default=False, description="Whether the hub is a subgraph of Apollo Federation.", examples=[True]
    )
    longest_query_seconds: float = Field(
        default=10, gt=0, le=3_600, description="Seconds after which a query is broken off.", examples=[10]
    )

    keep_answers: bool = Field(
        default=True, description="Whether answers are kept and given again while they hold.", examples=[False]
    )
    most_kept_answers: int = Field(default=2_000, ge=1, description="How many are kept at most.", examples=[10_000])
    kept_answers_mb: int = Field(
        default=32, ge=1, description="Megabytes of memory that they may take together.", examples=[128]
    )

    compress_answers: bool = Field(
        default=True, description="Whether answers are compressed for clients that take that.", examples=[False]
    )

    @field_validator("federation")
    @classmethod
    def _takes_what_gateways_write(cls, value: bool, info: ValidationInfo) -> bool:
        if value and info.data.get("documents") == "trusted":
            raise ValueError("a gateway writes its documents itself, so graphql.documents must be 'any'")
        return value

    @field_validator("origins")
    @classmethod
    def _are_exact(cls, value: list[str]) -> list[str]:
        for origin in value:
            if not ORIGIN.fullmatch(origin):
                raise ValueError(f"{origin!r} is no origin as browsers write it: scheme, host, port")
        return value

    @field_validator("folders")
    @classmethod
    def _exist(cls, value: list[Path]) -> list[Path]:
        for folder in value:
            if not folder.is_dir():
                raise ValueError(f"{str(folder)!r} is no folder")
        return value


class Settings(BaseSettings):
    """Everything that is configured. Each key can be overridden: `CONNECTOR_SERVER__PORT=8080`."""

    model_config = SettingsConfigDict(
        env_prefix=ENVIRONMENT_PREFIX, env_nested_delimiter="__", extra="forbid", frozen=True
    )

    database: str = Field(
        default="sqlite:///var/connector.db",
        description="SQLite file or PostgreSQL database.",
        examples=["sqlite:///var/connector.db", "postgresql://connector:secret@db.example.com/connector"],
    )
    redis: str | None = Field(
        default=None, description="Redis that wakes other processes.", examples=["redis://127.0.0.1:6379/0"]
    )
    policy: Path | None = Field(
        default=None, description="Policy file; the built-in policy when empty.", examples=["policy.yaml"]
    )
    log_level: str = Field(
        default="INFO", pattern="^(DEBUG|INFO|WARNING|ERROR)$", description="Least level logged.", examples=["INFO"]
    )
    postgresql: PostgresqlSettings = PostgresqlSettings()
    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    graphql: GraphQLSettings = GraphQLSettings()
    fulfilment: FulfilmentSettings = FulfilmentSettings()
    travel_time: TravelTimeSettings = TravelTimeSettings()
    identity: IdentitySettings = IdentitySettings()
    quality: QualitySettings = QualitySettings()
    limits: LimitSettings = LimitSettings()
    egress: EgressSettings = EgressSettings()
    telemetry: TelemetrySettings = TelemetrySettings()
    events: dict[str, EventSettings] = Field(
        default_factory=dict, description="Systems that are told what happens, by webhooks.", examples=[{}]
    )
    sources: dict[str, SourceSettings] = Field(default_factory=dict)

    @field_validator("database")
    @classmethod
    def _known_database(cls, value: str) -> str:
        try:
            backend = make_url(value).get_backend_name()
        except ArgumentError as error:
            raise ValueError("this is no database address") from error
        if backend not in ("sqlite", "postgresql"):
            raise ValueError(f"database {backend!r} is not supported, only sqlite and postgresql are")
        return value

    @field_validator("events")
    @classmethod
    def _speakable_endpoints(cls, value: dict[str, EventSettings]) -> dict[str, EventSettings]:
        for name in value:
            if not is_speakable(name, also="-_"):
                raise ValueError(f"endpoint name {name!r} may hold letters, digits, '-' and '_' only")
        return value

    @field_validator("sources")
    @classmethod
    def _speakable_names(cls, value: dict[str, SourceSettings]) -> dict[str, SourceSettings]:
        for name in value:
            if not is_speakable(name, also="-_"):
                raise ValueError(f"source name {name!r} may hold letters, digits, '-' and '_' only")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        problems = misfits(self.model_dump())
        if problems:
            raise ValueError("\n".join(problems))
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],  # noqa: ARG003 - the signature is pydantic's
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,  # noqa: ARG003
        file_secret_settings: PydanticBaseSettingsSource,  # noqa: ARG003
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """The environment goes before the file's values, which are given on construction."""
        return env_settings, init_settings


def misfits(values: Mapping[str, Any]) -> list[str]:
    """What does not go together, whatever else is wrong with the values."""
    server, auth, fulfilment, sources = (table_of(values, key) for key in ("server", "auth", "fulfilment", "sources"))
    host, courier = server.get("host"), fulfilment.get("courier")
    problems: list[str] = []
    processes, database = server.get("processes"), values.get("database", "sqlite:")
    if str(processes).isdecimal() and int(str(processes)) > 1 and str(database).startswith("sqlite"):
        problems.append(
            f"server.processes: {processes} processes cannot share a SQLite database, which has one writer at a time "
            "and cannot tell which of them are alive; set it to 1, or database to a PostgreSQL one, such as "
            "'postgresql://user:password@host/name'"
        )
    beyond = isinstance(host, str) and not is_loopback(host)
    is_guarded = any(map(auth.get, ("token", "keys", "oidc"))) or auth.get("anonymous") is False
    if beyond and auth.get("anonymous") is True:
        problems.append(f"auth.anonymous: server.host {host!r} is reachable from other machines; listen on 127.0.0.1")
    elif beyond and not is_guarded:
        problems.append(
            f"server.host: {host!r} is reachable from other machines, which needs auth.token first; "
            'add [auth] token = { env = "CONNECTOR_API_TOKEN" }, or listen on 127.0.0.1'
        )
    if isinstance(courier, str) and courier not in sources:
        known = ", ".join(sorted(sources)) or "none"
        problems.append(f"fulfilment.courier: there is no source {courier!r}; configured are: {known}")
    strangers = [name for name in table_of(fulfilment, "tickets") if name not in sources]
    problems += [f"fulfilment.tickets.{name}: there is no source {name!r}" for name in strangers]
    role = str(server.get("role", "all"))
    problems += postgresql_problems(table_of(values, "postgresql"), str(database), role)
    return [*problems, *identity_problems(table_of(values, "identity"), sources)]


def table_of(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    """The table of that key; an empty one where there is none."""
    value = values.get(key)
    return value if isinstance(value, Mapping) else {}
