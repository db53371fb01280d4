"""What is published installs whole: a wheel, and a source distribution that the same wheel can be built from."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from configparser import ConfigParser
from pathlib import Path

import pytest

from connector import __version__

ROOT = Path(__file__).parents[2]


def built(kind: str, source: Path, into: Path) -> Path:
    """Build a distribution as an installer does; its file."""
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "--target", kind, "--directory", str(into)],
        cwd=source,
        check=True,
        capture_output=True,
    )
    (file,) = into.iterdir()
    return file


def files(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return built("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sources(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory that a source distribution is unpacked to."""
    archive = built("sdist", ROOT, tmp_path_factory.mktemp("sdist"))
    place = tmp_path_factory.mktemp("unpacked")
    with tarfile.open(archive) as packed:
        packed.extractall(place)  # noqa: S202 - our own
    (directory,) = place.iterdir()
    return directory


def test_a_source_distribution_gives_the_same_wheel(wheel: Path, sources: Path, tmp_path: Path):
    assert files(built("wheel", sources, tmp_path / "again")) == files(wheel)


def test_a_wheel_has_every_file_of_the_packages(wheel: Path):
    listed = subprocess.run(
        ["git", "ls-files", "src/connector", "adapters", "graphql/operations"],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    expected = {
        name.removeprefix("src/").removeprefix("adapters/").replace("graphql/operations/", "connector/api/operations/")
        for name in listed.stdout.splitlines()
        if "/tests/" not in name
    }

    assert {name for name in expected if "__pycache__" not in name} - files(wheel) == set()


def test_every_adapter_of_a_wheel_can_be_found_in_it(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        (named,) = (name for name in archive.namelist() if name.endswith(".dist-info/entry_points.txt"))
        points = ConfigParser()
        points.read_string(archive.read(named).decode())
    modules = {target.partition(":")[0].replace(".", "/") for group in points.values() for target in group.values()}

    assert len(modules) > 20
    assert {name for name in modules if not {f"{name}.py", f"{name}/__init__.py"} & files(wheel)} == set()


def test_a_source_distribution_has_what_installing_by_hand_needs(sources: Path):
    assert {"README.md", "CHANGELOG.md", "constraints.txt", "pyproject.toml"} <= {
        path.name for path in sources.iterdir()
    }


def test_a_wheel_works_in_an_environment_that_has_nothing_else(wheel: Path, tmp_path: Path):
    place, uv = tmp_path / "empty", Path(sys.executable).with_name("uv")
    environment = {"PATH": "/usr/bin:/bin", "HOME": os.environ.get("HOME", str(tmp_path)), "COLUMNS": "200"}

    def run(*command: str | Path) -> str:
        return subprocess.run(command, cwd=tmp_path, env=environment, check=True, capture_output=True, text=True).stdout

    run(uv, "venv", "--quiet", "--python", sys.executable, place)
    install = (uv, "pip", "install", "--quiet", "--python", place / "bin/python", "--constraints")
    try:
        run(*install, ROOT / "constraints.txt", "--offline", wheel)
    except subprocess.CalledProcessError:  # not all of it was ever fetched here
        run(*install, ROOT / "constraints.txt", wheel)
    hub = place / "bin/connector"

    assert run(hub, "--version").strip() == __version__
    assert "is the schema of this version" in run(hub, "schema", "--check", ROOT / "graphql/schema.graphql")
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    adapters = json.loads(run(hub, "adapters", "list", "--json"))
    assert {adapter["name"] for adapter in adapters} == project["entry-points"]["connector.adapters"].keys()
    inside = "import connector.api.static as s; print([n for n in s.SERVED if not (s.HERE / n).is_file()])"
    assert run(place / "bin/python", "-c", inside).strip() == "[]"
