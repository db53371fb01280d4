"""Installed packages that declare adapters, made of real metadata in a temporary folder."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

PACKAGES = Path(__file__).parent / "packages"


@contextmanager
def importable(*folders: Path) -> Iterator[None]:
    """Let Python find modules and metadata in these folders."""
    added = [str(folder) for folder in folders]
    sys.path[:0] = added
    try:
        yield
    finally:
        for place in added:
            sys.path.remove(place)


def declare(folder: Path, distribution: str, adapters: Mapping[str, str]) -> None:
    """Write the metadata that installing such a package would write."""
    info = folder / f"{distribution.replace('-', '_')}-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 1.0\n")
    lines = "".join(f"{name} = {value}\n" for name, value in adapters.items())
    (info / "entry_points.txt").write_text(f"[connector.adapters]\n{lines}")


def name_of(kind: type[object]) -> str:
    """The adapter name of a class: `LosesLetters` is `loses_letters`."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", kind.__name__).lower()
