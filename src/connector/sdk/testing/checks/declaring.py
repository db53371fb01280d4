"""What an adapter declares: checks 1 to 6."""

from __future__ import annotations

import ast
import asyncio
import importlib
import re
from collections.abc import Iterator
from importlib.metadata import entry_points
from importlib.util import find_spec
from pathlib import Path

from pydantic import SecretStr
from pydantic.fields import FieldInfo

from connector.sdk.adapter import capabilities
from connector.sdk.config import AdapterConfig
from connector.sdk.errors import ConfigError
from connector.sdk.registry import GROUP, NAME
from connector.sdk.testing.bench import Bench, require
from connector.sdk.testing.check import Check, check
from connector.sdk.testing.nursery import NURSERY
from connector.sdk.testing.sandbox import NotApplicable
from connector.sdk.testing.strictness import strict_findings

SECRET_NAMES = re.compile(r"(^|_)(token|secret|password|passphrase|api_key|private_key|credential)s?($|_)")
TESTING_ONLY = frozenset({"contract", "sandbox"})
"""Modules of an adapter's package that may import `connector.sdk.testing`."""


@check(1, "entry point loads, its name is [a-z][a-z0-9_]*")
async def entry_point(bench: Bench) -> None:
    """The adapter is declared as the hub expects it."""
    name = bench.contract.adapter
    require(NAME.fullmatch(name) is not None, f"the name {name!r} is not of the form [a-z][a-z0-9_]*: rename it")
    require(
        isinstance(bench.adapter_type, type), f"the entry point {name!r} of group {GROUP!r} does not name an adapter"
    )


@check(2, "imports only connector.sdk from the hub")
async def imports_only_the_sdk(bench: Bench) -> None:
    """What is not in the SDK may change without notice."""
    for path in _sources(_package(bench.contract.adapter)):
        for line, module in _imports(path):
            inside = module == "connector.sdk" or module.startswith("connector.sdk.")
            require(
                inside or module.split(".")[0] != "connector",
                f"{path.name}, line {line} imports {module!r}: an adapter imports connector.sdk alone",
            )
            require(
                not module.startswith("connector.sdk.testing") or bool(TESTING_ONLY & {path.stem, path.parent.name}),
                f"{path.name}, line {line} imports {module!r}: only {', '.join(sorted(TESTING_ONLY))} may",
            )


@check(3, "settings: described with examples, secrets are SecretStr, unknown keys refused")
async def settings_are_described(bench: Bench) -> None:
    """A customer can write the settings without reading code."""
    config_type: type[AdapterConfig] = bench.adapter_type.config_type()
    require(
        issubclass(config_type, AdapterConfig), f"config_type() is {config_type.__name__}, which is no AdapterConfig"
    )
    for name, field in config_type.model_fields.items():
        where = f"setting {config_type.__name__}.{name}"
        require(bool(field.description), f"{where} has no description: give Field(description=...)")
        require(bool(field.examples), f"{where} has no example: give Field(examples=[...])")
        require(
            not SECRET_NAMES.search(name) or _is_secret(field),
            f"{where} is named like a secret and is {field.annotation!r}: make it SecretStr",
        )
    require(
        config_type.model_config.get("extra") == "forbid",
        f"{config_type.__name__} does not refuse unknown keys: keep extra='forbid' of AdapterConfig",
    )
    require(
        config_type.model_config.get("frozen") is True,
        f"{config_type.__name__} can be changed after it was read: keep frozen=True of AdapterConfig",
    )


@check(4, "importing and constructing does no I/O, reads no environment")
async def construction_is_inert(bench: Bench) -> None:
    """The hub decides when an adapter talks, and what it knows."""
    (point,) = entry_points(group=GROUP, name=bench.contract.adapter)
    async with bench.rig() as rig:
        seen = await asyncio.to_thread(
            NURSERY.side_effects, module=point.module, attribute=point.attr, settings=rig.sandbox.settings()
        )
    require(not seen, f"importing or constructing has side effects: {'; '.join(dict.fromkeys(seen))}")


@check(5, "mypy --strict clean, py.typed")
async def typed(bench: Bench) -> None:
    """Signatures are what the protocols say; a protocol compares names only, mypy compares the rest."""
    package = _package(bench.contract.adapter)
    require((package / "py.typed").is_file(), f"{package.name} has no py.typed: add an empty file of that name")
    if find_spec("mypy") is None:
        raise NotApplicable("mypy is not installed here; py.typed is there")
    found = await asyncio.to_thread(strict_findings, package)
    require(not found, f"mypy --strict finds: {' | '.join(found)}")


@check(6, "at least one capability; README names the vendor's API version and its source, and what was verified")
async def says_what_it_is_for(bench: Bench) -> None:
    """A reader can see what was implemented, by which description, and how far it was tried."""
    require(bool(capabilities(bench.adapter_type)), "the adapter implements no capability: see connector.sdk.adapter")
    readme = _package(bench.contract.adapter) / "README.md"
    require(readme.is_file(), f"{readme.parent.name} has no README.md: add it to the package")
    text = await asyncio.to_thread(readme.read_text)
    for heading in ("API version:", "Source:"):
        require(
            re.search(rf"^{re.escape(heading)}\s*\S", text, re.MULTILINE) is not None,
            f"README.md has no line that begins {heading!r}: say for which version, and where it is described",
        )
    require(
        re.search(r"^## Verified.*\n+[^#\s]", text, re.MULTILINE) is not None,
        "README.md has no section '## Verified, and not': say what was tried against what, and what was not",
    )


CHECKS: tuple[Check, ...] = (
    entry_point,
    imports_only_the_sdk,
    settings_are_described,
    construction_is_inert,
    typed,
    says_what_it_is_for,
)


def _package(adapter: str) -> Path:
    """Folder of the adapter's package. Raises ConfigError when it is a single file."""
    points = tuple(entry_points(group=GROUP, name=adapter))
    if not points:
        raise ConfigError(f"adapter {adapter!r} is not installed", operation="find package")
    module = importlib.import_module(points[0].module)
    if not hasattr(module, "__path__"):
        module = importlib.import_module(points[0].module.rpartition(".")[0] or points[0].module)
    if not hasattr(module, "__path__") or module.__file__ is None:
        raise ConfigError(
            f"adapter {adapter!r} is a single module, {module.__name__!r}", operation="find package",
            hint="Make it a package: it needs room for py.typed, README.md, the sandbox and payloads.",
        )  # fmt: skip
    return Path(module.__file__).parent


def _sources(package: Path) -> list[Path]:
    return sorted(path for path in package.rglob("*.py") if "tests" not in path.relative_to(package).parts)


def _imports(path: Path) -> Iterator[tuple[int, str]]:
    for node in ast.walk(ast.parse(path.read_bytes(), filename=str(path))):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            whole = node.module == "connector"
            yield from ((node.lineno, f"connector.{alias.name}") for alias in node.names if whole)
            if not whole:
                yield node.lineno, node.module


def _is_secret(field: FieldInfo) -> bool:
    kinds = (field.annotation, *getattr(field.annotation, "__args__", ()))
    return any(isinstance(kind, type) and issubclass(kind, SecretStr) for kind in kinds)
