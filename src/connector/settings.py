"""What the operator configures: `connector.toml`, and the environment over it.

Read once at the start, checked as a whole: every problem is told at once, and nothing starts before all are mended.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address
from pathlib import Path
from typing import Annotated, Any

from croniter import croniter
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    SecretStr,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)
from pydantic_settings import BaseSettings, EnvSettingsSource, PydanticBaseSettingsSource, SettingsConfigDict
from sqlalchemy import make_url
from sqlalchemy.exc import ArgumentError

from connector.model.errors import InvalidConfiguration
from connector.model.kinds import LabelFormat
from connector.model.lifecycle import TicketState
from connector.sdk.connection import config_problems
from connector.sdk.errors import ConfigError
from connector.sdk.registry import adapter_names, load_adapter
from connector.sdk.travel import travel_problems

DEFAULT_FILE = "connector.toml"
ENVIRONMENT_PREFIX = "CONNECTOR_"
SHORTEST_TOKEN = 16
RESERVED_NAMES = frozenset({"api", "rules", "fulfilment", "policy", "time-out", "expiry"})
"""Who the change log names for what nobody in particular does."""


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class ServerSettings(_Section):
    """Where the hub listens."""

    host: str = Field(default="127.0.0.1", description="Address to listen on.", examples=["127.0.0.1"])
    port: int = Field(default=8000, ge=0, le=65535, description="Port to listen on.", examples=[8000])
    public_url: str | None = Field(
        default=None, description="Address under which others reach the hub.", examples=["https://hub.example.com"]
    )


def _long_enough(value: SecretStr) -> SecretStr:
    if len(value.get_secret_value()) < SHORTEST_TOKEN:
        raise ValueError(f"a token has at least {SHORTEST_TOKEN} characters")
    return value


Token = Annotated[SecretStr, AfterValidator(_long_enough)]
RoleText = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9_-]{0,63}$")]


class KeySettings(_Section):
    """A key: what one person or program shows, and what it may do."""

    token: Token = Field(description="Bearer token of this key.", examples=[{"env": "CONNECTOR_KEY_ADA"}])
    roles: tuple[RoleText, ...] = Field(
        min_length=1, description="What it may do.", examples=[["dispatcher", "approver"]]
    )


class AuthSettings(_Section):
    """Who may use the hub."""

    token: Token | None = Field(
        default=None,
        description="Bearer token that may do everything. It, or keys, are needed before the hub listens beyond this "
        "machine.",
        examples=[{"env": "CONNECTOR_API_TOKEN"}],
    )
    keys: dict[str, KeySettings] = Field(
        default_factory=dict,
        description="Name of a person or program -> its key.",
        examples=[{"ada": {"token": {"env": "CONNECTOR_KEY_ADA"}, "roles": ["dispatcher"]}}],
    )

    @field_validator("keys")
    @classmethod
    def _speakable(cls, value: dict[str, KeySettings]) -> dict[str, KeySettings]:
        for name in value:
            if name in RESERVED_NAMES or not _is_speakable(name, also="-_."):
                raise ValueError(
                    f"key name {name!r} may hold letters, digits, '-', '_' and '.' only, and is none of "
                    f"{', '.join(sorted(RESERVED_NAMES))}: the change log calls its holder by it"
                )
        return value

    @model_validator(mode="after")
    def _told_apart(self) -> AuthSettings:
        seen: dict[str, str] = {} if self.token is None else {self.token.get_secret_value(): "auth.token"}
        for name, key in self.keys.items():
            other = seen.setdefault(key.token.get_secret_value(), f"auth.keys.{name}")
            if other != f"auth.keys.{name}":
                raise ValueError(f"auth.keys.{name} has the token of {other}: give each its own")
        return self


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
    tickets: dict[str, TicketSettings] = Field(
        default_factory=dict,
        description="Source -> what is written to its tickets.",
        examples=[{"itsm": {"fields": {"Tracking Number": "{tracking_number}"}}}],
    )


class TravelTimeSettings(BaseModel):
    """Who measures roads beforehand. Keys beyond these belong to the provider, which checks them."""

    model_config = ConfigDict(frozen=True, extra="allow")

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
        if not croniter.is_valid(value):
            raise ValueError(f"{value!r} is no cron expression; write minute hour day month weekday")
        return value

    def provider_settings(self) -> dict[str, object]:
        """The keys that belong to the provider."""
        return dict(self.__pydantic_extra__ or {})


class SourceSettings(BaseModel):
    """One external system. Keys beyond these belong to its adapter, which checks them."""

    model_config = ConfigDict(frozen=True, extra="allow")

    adapter: str = Field(description="Name of the adapter.", examples=["nautobot"])
    schedule: str | None = Field(
        default="*/5 * * * *", description="When to pull, as cron; empty means by hand only.", examples=["*/5 * * * *"]
    )
    schedules: dict[str, str] = Field(
        default_factory=dict, description="Stream -> its own cron.", examples=[{"deletions": "0 * * * *"}]
    )
    webhook: bool = Field(default=True, description="Whether the system may post webhooks.", examples=[True])

    @field_validator("schedule", "schedules")
    @classmethod
    def _is_cron(cls, value: str | dict[str, str] | None) -> str | dict[str, str] | None:
        for text in value.values() if isinstance(value, dict) else filter(None, [value]):
            if not croniter.is_valid(text):
                raise ValueError(f"{text!r} is no cron expression; write minute hour day month weekday")
        return value or None if isinstance(value, str) else value

    def adapter_settings(self) -> dict[str, object]:
        """The keys that belong to the adapter."""
        return dict(self.__pydantic_extra__ or {})


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
    server: ServerSettings = ServerSettings()
    auth: AuthSettings = AuthSettings()
    fulfilment: FulfilmentSettings = FulfilmentSettings()
    travel_time: TravelTimeSettings = TravelTimeSettings()
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

    @field_validator("sources")
    @classmethod
    def _speakable_names(cls, value: dict[str, SourceSettings]) -> dict[str, SourceSettings]:
        for name in value:
            if not _is_speakable(name, also="-_"):
                raise ValueError(f"source name {name!r} may hold letters, digits, '-' and '_' only")
        return value

    @model_validator(mode="after")
    def _fits_together(self) -> Settings:
        problems = _misfits(self.model_dump())
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


@dataclass(frozen=True, slots=True)
class LoadedSettings:
    """Settings with the file that they came from; None when the built-in defaults stand.

    secrets: texts that must never be shown.
    """

    settings: Settings
    file: Path | None
    secrets: tuple[str, ...] = field(default=(), repr=False)


def load_settings(file: Path | None = None) -> LoadedSettings:
    """Read `file`, or `connector.toml` of the current directory, or the defaults where there is none.

    Raises InvalidConfiguration naming every problem: file, key, what is expected, an example.
    """
    path = file or (Path(DEFAULT_FILE) if Path(DEFAULT_FILE).exists() else None)
    values: dict[str, Any] = {}
    problems: list[str] = []
    secrets: list[str] = []
    if path is not None:
        values = _resolved(_parse(path), (), path.parent, problems, secrets)
        _anchor_paths(values, path.parent)
    where = str(path) if path else "environment"
    try:
        settings = Settings(**values)
    except ValidationError as error:
        given = _over(values, EnvSettingsSource(Settings)())
        found = error.errors(include_input=False, include_url=False, include_context=False)
        lines = [_problem(item["loc"], item["msg"]) for item in found if item["loc"]]
        failed = {problem.split(":", 1)[0] for problem in problems}
        problems += [line for line in [*lines, *_misfits(given)] if line.split(":", 1)[0] not in failed]
    told = {problem.split(":", 1)[0] for problem in problems}
    problems += _travel_problems(_table(values, "travel_time"))
    problems += [p for p in _adapter_problems(values.get("sources")) if p.split(":", 1)[0] not in told]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise InvalidConfiguration(
            f"{where} cannot be used, nothing was started:\n{listed}", problems=tuple(problems)
        ) from None
    tokens = [settings.auth.token, *(key.token for key in settings.auth.keys.values())]
    secrets += [token.get_secret_value() for token in tokens if token is not None]
    for url in (settings.database, settings.redis):
        secrets += [str(make_url(url).password)] if url and make_url(url).password else []
    return LoadedSettings(settings=settings, file=path, secrets=tuple(secrets))


def _is_speakable(name: str, *, also: str) -> bool:
    bare = name.translate(str.maketrans("", "", also))
    return bare.isascii() and bare.isalnum()


def _misfits(values: Mapping[str, Any]) -> list[str]:
    """What does not go together, whatever else is wrong with the values."""
    server, auth, fulfilment, sources = (_table(values, key) for key in ("server", "auth", "fulfilment", "sources"))
    host, courier = server.get("host"), fulfilment.get("courier")
    problems: list[str] = []
    if isinstance(host, str) and not is_loopback(host) and not (auth.get("token") or auth.get("keys")):
        problems.append(
            f"server.host: {host!r} is reachable from other machines, which needs auth.token first; "
            'add [auth] token = { env = "CONNECTOR_API_TOKEN" }, or listen on 127.0.0.1'
        )
    if isinstance(courier, str) and courier not in sources:
        known = ", ".join(sorted(sources)) or "none"
        problems.append(f"fulfilment.courier: there is no source {courier!r}; configured are: {known}")
    strangers = [name for name in _table(fulfilment, "tickets") if name not in sources]
    return [*problems, *(f"fulfilment.tickets.{name}: there is no source {name!r}" for name in strangers)]


def _table(values: Mapping[str, Any], key: str) -> Mapping[str, Any]:
    value = values.get(key)
    return value if isinstance(value, Mapping) else {}


def _over(values: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The values with those above them laid over, table by table."""
    merged = dict(values)
    for key, value in above.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def is_loopback(host: str) -> bool:
    """Whether an address is reachable from this machine only."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def _parse(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise InvalidConfiguration(
            f"configuration file {str(path)!r} does not exist", hint="Name another with --config, or create it."
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise InvalidConfiguration(f"{path} is not valid TOML: {error}", problems=(str(error),)) from None


def _resolved(value: Any, loc: tuple[str, ...], base: Path, problems: list[str], secrets: list[str]) -> Any:
    """The value with every `{ env = ... }` and `{ file = ... }` replaced by the secret that it names."""
    if not isinstance(value, dict):
        return value
    if set(value) == {"env"} and isinstance(value["env"], str):
        secret = os.environ.get(value["env"])
        if secret is None:
            problems.append(f"{'.'.join(loc)}: environment variable {value['env']!r} is not set")
            return ""
        secrets.append(secret)
        return secret
    if set(value) == {"file"} and isinstance(value["file"], str):
        path = base / value["file"]
        try:
            secrets.append(path.read_text(encoding="utf-8").strip())
        except (OSError, UnicodeDecodeError) as error:
            problems.append(f"{'.'.join(loc)}: file {str(path)!r} cannot be read ({type(error).__name__})")
            return ""
        return secrets[-1]
    return {key: _resolved(item, (*loc, key), base, problems, secrets) for key, item in value.items()}


def _anchor_paths(values: dict[str, Any], base: Path) -> None:
    """Relative paths are relative to the file that holds them, wherever the program is started."""
    database = values.get("database")
    prefix = "sqlite:///"
    if isinstance(database, str) and database.startswith(prefix) and not database.startswith(prefix + "/"):
        values["database"] = f"{prefix}{(base / database.removeprefix(prefix)).resolve()}"
    if isinstance(values.get("policy"), str):
        values["policy"] = str((base / values["policy"]).resolve())
    sources = values.get("sources")
    for source in sources.values() if isinstance(sources, dict) else ():
        if isinstance(source, dict) and isinstance(source.get("directory"), str):
            source["directory"] = str((base / source["directory"]).resolve())


def _travel_problems(values: Mapping[str, Any]) -> tuple[str, ...]:
    """What the provider of travel times says of its own keys."""
    own = {key: value for key, value in values.items() if key not in TravelTimeSettings.model_fields}
    name = values.get("provider")
    if isinstance(name, str) and name:
        return travel_problems(name, own)
    return tuple(f"travel_time.{key}: belongs to no provider; name one in travel_time.provider" for key in own)


def _adapter_problems(sources: object) -> list[str]:
    """What the adapters say of their own keys. One that does not load is no mistake of the configuration."""
    problems: list[str] = []
    for name, source in sources.items() if isinstance(sources, dict) else ():
        adapter = source.get("adapter") if isinstance(source, dict) else None
        if not isinstance(adapter, str):
            continue
        if adapter not in adapter_names():
            installed = ", ".join(adapter_names())
            problems.append(f"sources.{name}.adapter: adapter {adapter!r} is not installed. Installed are: {installed}")
            continue
        try:
            adapter_type = load_adapter(adapter)
        except ConfigError:
            continue
        own = {key: value for key, value in source.items() if key not in SourceSettings.model_fields}
        problems += config_problems(name, adapter_type, own)
    return problems


def _problem(loc: tuple[int | str, ...], message: str) -> str:
    message = message.removeprefix("Value error, ")
    if not loc:
        return message
    return f"{'.'.join(map(str, loc))}: {message}{_example(loc)}"


def _example(loc: tuple[int | str, ...]) -> str:
    model: type[BaseModel] | None = Settings
    named: dict[str, type[BaseModel]] = {"sources": SourceSettings, "keys": KeySettings}
    field = None
    for part in loc:
        if model is None:
            return ""
        if part in model.model_fields:
            field = model.model_fields[str(part)]
            annotation = field.annotation
            model = annotation if isinstance(annotation, type) and issubclass(annotation, BaseModel) else None
            if part in named:
                model = named[str(part)]
        elif model is not SourceSettings and (model is not KeySettings or part != loc[2]):
            known = ", ".join(model.model_fields)
            return f". Known keys are: {known}."
    if field is None or not field.examples:
        return ""
    return f". Expected: {(field.description or '').rstrip('.')}. Example: {field.examples[0]!r}"
