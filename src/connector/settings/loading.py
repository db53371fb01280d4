"""From a file and the environment to settings, or every problem in them."""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import (
    BaseModel,
    ValidationError,
)
from pydantic_settings import EnvSettingsSource
from sqlalchemy import make_url

from connector.model.errors import InvalidConfiguration
from connector.sdk.connection import config_problems
from connector.sdk.errors import ConfigError
from connector.sdk.registry import adapter_names, load_adapter
from connector.sdk.travel import travel_problems
from connector.settings.auth import KeySettings, OidcSettings
from connector.settings.events import EventSettings
from connector.settings.sections import (
    DEFAULT_FILE,
    Settings,
    TravelTimeSettings,
    misfits,
    table_of,
)
from connector.settings.sources import SourceSettings


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
        problems += [line for line in [*lines, *misfits(given)] if line.split(":", 1)[0] not in failed]
    problems += _field_problems(table_of(_over(values, EnvSettingsSource(Settings)()), "auth"))
    told = {problem.split(":", 1)[0] for problem in problems}
    problems += _travel_problems(table_of(values, "travel_time"))
    problems += [p for p in _adapter_problems(values.get("sources")) if p.split(":", 1)[0] not in told]
    if problems:
        listed = "\n".join(f"  {problem}" for problem in problems)
        raise InvalidConfiguration(
            f"{where} cannot be used, nothing was started:\n{listed}", problems=tuple(problems)
        ) from None
    tokens = [settings.auth.token, *(key.token for key in settings.auth.keys.values())]
    secrets += [token.get_secret_value() for token in tokens if token is not None]
    secrets += [secret for endpoint in settings.events.values() for secret in endpoint.secrets]
    for url in (settings.database, settings.redis, settings.postgresql.direct, settings.postgresql.owner):
        secrets += [str(make_url(url).password)] if url and make_url(url).password else []
    return LoadedSettings(settings=settings, file=path, secrets=tuple(secrets))


def _over(values: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    """The values with those above them laid over, table by table."""
    merged = dict(values)
    for key, value in above.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


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
    graphql = values.get("graphql")
    if isinstance(graphql, dict) and isinstance(graphql.get("folders"), list):
        graphql["folders"] = [
            str((base / folder).resolve()) if isinstance(folder, str) else folder for folder in graphql["folders"]
        ]
    sources = values.get("sources")
    for source in (*(sources.values() if isinstance(sources, dict) else ()), values.get("travel_time")):
        for key in ("directory", "definition", "ca_bundle"):
            if isinstance(source, dict) and isinstance(source.get(key), str):
                source[key] = str((base / source[key]).resolve())


def _travel_problems(values: Mapping[str, Any]) -> tuple[str, ...]:
    """What the provider of travel times says of its own keys."""
    own = {key: value for key, value in values.items() if key not in TravelTimeSettings.model_fields}
    name = values.get("provider")
    if isinstance(name, str) and name:
        return travel_problems(name, own)
    return tuple(f"travel_time.{key}: belongs to no provider; name one in travel_time.provider" for key in own)


def _field_problems(auth: Mapping[str, Any]) -> list[str]:
    """What is wrong with the fields that are for some roles, and with the roles."""
    fields = {name: roles for name, roles in table_of(auth, "fields").items() if isinstance(roles, list | tuple)}
    if not fields:
        return []
    from connector.api.field_names import problems_of  # the schema takes a while to make
    from connector.api.matrix import ROLES
    from connector.api.schema import build_schema

    groups = table_of(table_of(auth, "oidc"), "roles").values()
    holders = (table_of(table_of(auth, "keys"), name).get("roles") for name in table_of(auth, "keys"))
    listed = (auth.get("roles"), *holders, *groups)
    known = {*ROLES, *(role for roles in listed if isinstance(roles, list | tuple) for role in roles)}
    strangers = [
        f"auth.fields.{name}: there is no role {role!r}; there are {', '.join(sorted(map(str, known)))}, "
        "and those that auth.roles names"
        for name, roles in fields.items()
        for role in roles
        if role not in known
    ]
    return [*(f"auth.fields.{problem}" for problem in problems_of(fields, build_schema()._schema)), *strangers]


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
    named: dict[str, type[BaseModel]] = {"sources": SourceSettings, "keys": KeySettings, "oidc": OidcSettings}
    named["events"] = EventSettings
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
