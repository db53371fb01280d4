"""A start for a new adapter: a small package that works, keeps its contract, and is yours to change.

The files are in `files/`, as they will be written, but for the placeholders `__name__` (snake case), `__Name__`
(class name) and `__title__` (for people) in their texts and names. They end in `.tmpl` so that no tool takes them
for code of the hub.
"""

from __future__ import annotations

from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from connector.sdk.errors import ConfigError
from connector.sdk.registry import NAME, adapter_names

ENDING = ".tmpl"


def create_adapter(name: str, target: Path) -> list[Path]:
    """Write a new adapter package into `target/connector-NAME` and return the files, in order of their paths.

    name: of the adapter, as sources will name it.
    Raises ConfigError when the name is not of the form [a-z][a-z0-9_]*, is taken by an installed adapter, or the
    folder exists already; nothing is written then.
    """
    if not NAME.fullmatch(name):
        raise ConfigError(
            f"an adapter cannot be named {name!r}: names are of the form [a-z][a-z0-9_]*.",
            operation="new adapter",
            hint="For example 'acme_desk'.",
        )
    if name in adapter_names():
        raise ConfigError(
            f"an adapter named {name!r} is installed already.",
            operation="new adapter",
            hint="Choose another name; two packages that declare the same one disable each other.",
        )
    folder = target / f"connector-{name.replace('_', '-')}"
    if folder.exists():
        raise ConfigError(
            f"{str(folder)!r} exists already and is left as it is.",
            operation="new adapter",
            hint="Choose another directory, or remove it first.",
        )
    written: list[Path] = []
    _write(files(__package__) / "files", folder, name, written)
    return sorted(written)


def _write(source: Traversable, folder: Path, name: str, written: list[Path]) -> None:
    for item in source.iterdir():
        path = folder / _filled(item.name, name)
        if item.is_dir():
            _write(item, path, name, written)
        elif item.name.endswith(ENDING):
            path = path.with_name(path.name.removesuffix(ENDING))
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(_filled(item.read_text(encoding="utf-8"), name), encoding="utf-8")
            written.append(path)


def _filled(text: str, name: str) -> str:
    words = [word for word in name.split("_") if word]
    return (
        text.replace("__dashed__", name.replace("_", "-"))
        .replace("__Name__", "".join(word.capitalize() for word in words))
        .replace("__title__", " ".join(word.capitalize() for word in words))
        .replace("__name__", name)
    )
