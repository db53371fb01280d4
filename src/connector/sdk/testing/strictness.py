"""What `mypy --strict` finds in an adapter's package; one run for all adapters of a distribution.

To start mypy and to read what is known of the hub takes longer than to check an adapter, so all packages of one
distribution are checked together, and what was found is kept until one of the files that mypy may have read changes.
Test processes that run side by side wait for the one that runs mypy instead of running it again.
"""

from __future__ import annotations

import json
import os
import re
import site
import subprocess
import sys
import sysconfig
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from hashlib import sha256
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path
from typing import Final, TypeAlias

from connector.sdk.registry import GROUP

IMPORTED: Final = re.compile(rb"^[ \t]*(?:from|import)[ \t]+([A-Za-z_]\w*)", re.MULTILINE)
ENOUGH: Final = 5
"""Findings that are told of one adapter."""

State: TypeAlias = tuple[int, int]
"""When a file was last changed, in nanoseconds, and its size in bytes."""
Findings: TypeAlias = dict[str, list[str]]
"""By package, what mypy says of it; empty where it is clean."""


def strict_findings(package: Path) -> list[str]:
    """What mypy says of this package, a line each; empty when it is clean. Blocks for seconds."""
    packages = _companions(package)
    folder = _folder()
    with _alone(folder):
        state = _state_of(packages)
        kept = folder / f"{sha256(str(packages).encode()).hexdigest()[:16]}.json"
        known = _known(kept, state)
        if known is None:
            known = _run(packages, folder)
            if known is None:  # something in one of them keeps mypy from looking at any
                return (_run([package], folder) or {}).get(str(package), ["mypy gives up"])
            kept.write_text(json.dumps({"state": state, "findings": known}), encoding="utf-8")
        return known[str(package)]


def _companions(package: Path) -> list[Path]:
    """The packages of all adapters that came with this one's distribution, itself included; no module is loaded."""
    points = entry_points(group=GROUP)
    name = package.name
    own = {point.dist.name for point in points if point.dist and point.module.partition(".")[0] == name}
    modules = {point.module.partition(".")[0] for point in points if point.dist and point.dist.name in own}
    found = {package}
    for module in modules:
        spec = find_spec(module) if module != name else None
        found |= {Path(place) for place in (spec.submodule_search_locations or [])} if spec else set()
    return sorted(place for place in found if (place / "__init__.py").is_file())


def _folder() -> Path:
    """Where mypy keeps what it knows: of this user and this environment, and readable by nobody else."""
    owner = os.getuid() if hasattr(os, "getuid") else 0
    place = sha256(sys.prefix.encode()).hexdigest()[:12]
    folder = Path(tempfile.gettempdir()) / f"connector-contract-mypy-{owner}-{place}"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if hasattr(os, "getuid") and folder.stat().st_uid != owner:
        return Path(tempfile.mkdtemp(prefix="connector-contract-mypy-"))
    return folder


@contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """While this lasts no other process runs mypy here, where the system can lock files."""
    with (folder / "lock").open("w") as lock:
        try:
            import fcntl
        except ImportError:
            yield
            return
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _known(kept: Path, state: str) -> Findings | None:
    """What was found when everything was as it is now."""
    try:
        saved = json.loads(kept.read_text(encoding="utf-8"))
        return dict(saved["findings"]) if saved["state"] == state else None
    except (OSError, ValueError, KeyError, TypeError):
        return None


def _run(packages: Sequence[Path], folder: Path) -> Findings | None:
    """Run mypy over these packages; None when it gives up, as it does on a file that is no Python."""
    config = folder / "mypy.ini"
    config.write_text("[mypy]\nplugins = pydantic.mypy\n", encoding="utf-8")
    hub = find_spec("connector")
    sources = [str(Path(place).parent) for place in (hub.submodule_search_locations or [])] if hub else []
    path = dict.fromkeys([*(str(package.parent) for package in packages), *sources])
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "MYPYPATH": os.pathsep.join(path),
    }  # fmt: skip
    command = [
        sys.executable, "-m", "mypy", "--strict", "--explicit-package-bases", "--follow-imports=silent",
        "--ignore-missing-imports", "--no-error-summary", "--show-absolute-path", f"--config-file={config}",
        f"--cache-dir={folder}", *(f"--exclude={package.name}/tests/" for package in packages), *map(str, packages),
    ]  # fmt: skip
    ended = subprocess.run(  # noqa: S603 - this interpreter and paths of installed packages
        command, env=environment, capture_output=True, text=True, check=False
    )
    if ended.returncode > 1 and len(packages) > 1:
        return None
    said = (ended.stdout or ended.stderr).strip().splitlines() if ended.returncode else []
    found: Findings = {str(package): [] for package in packages}
    for line in said:
        # by the package's name: mypy repeats what it knows of an unchanged file with the path that it had then
        places = {name: line.find(f"{os.sep}{Path(name).name}{os.sep}") for name in found}
        for name in [name for name, place in places.items() if place >= 0] or found:  # or it concerns all of them
            found[name].append(line[places[name] + 1 :])
    return {name: lines[:ENOUGH] for name, lines in found.items()}


def _state_of(packages: Sequence[Path]) -> str:
    """A digest of all that decides what mypy finds: versions, and the files that it may read outside of them."""
    files = sorted((str(path), *state) for path, state in _local_files(packages))
    installed = sorted({name for place in _installed() for name in _names(place)})
    return sha256(repr((sys.version, version("mypy"), installed, files)).encode()).hexdigest()


def _local_files(packages: Sequence[Path]) -> list[tuple[Path, State]]:
    """Files of these packages, of those that they import, and so on, as far as no installed version stands for them."""
    seen: set[Path] = set()
    found: list[tuple[Path, State]] = []
    left = list(packages)
    while left:
        folder = left.pop()
        if folder not in seen:
            seen.add(folder)
            files = _files(folder)
            found += files
            names = {name for path, state in files for name in _imported(path, state)}
            left += [place for name in names if (place := _source_of(name)) is not None]
    return found


def _files(folder: Path) -> list[tuple[Path, State]]:
    """Its Python files, each with its state."""
    found = []
    for place, _, names in os.walk(folder):
        for name in names:
            if name.endswith((".py", ".pyi")):
                path = os.path.join(place, name)
                status = os.stat(path)
                found.append((Path(path), (status.st_mtime_ns, status.st_size)))
    return found


@lru_cache(maxsize=4096)
def _imported(path: Path, _: State) -> frozenset[str]:
    """Names of the top-level packages that a file imports."""
    return frozenset(name.decode() for name in IMPORTED.findall(path.read_bytes()))


@lru_cache(maxsize=1024)
def _source_of(name: str) -> Path | None:
    """Folder of a package that is neither Python's own nor installed by version."""
    if name in sys.stdlib_module_names:
        return None
    try:
        spec = find_spec(name)
    except (ImportError, ValueError):
        return None
    places = [Path(place) for place in (spec.submodule_search_locations or [])] if spec else []
    inside = [place for place in places if not any(place.is_relative_to(folder) for folder in _installed())]
    return inside[0] if inside else None


@lru_cache(maxsize=1)
def _installed() -> tuple[Path, ...]:
    """Folders whose packages have versions."""
    paths = sysconfig.get_paths()
    return tuple({Path(place) for place in (*site.getsitepackages(), paths["purelib"], paths["platlib"])})


def _names(folder: Path) -> list[str]:
    """What is installed there, each with its version."""
    return [entry.name for entry in folder.glob("*.dist-info")] if folder.is_dir() else []
