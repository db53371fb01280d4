"""The example adapter, installed for the tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.sdk.plugins import PACKAGES, declare, importable, name_of


@pytest.fixture(scope="session", autouse=True)
def acme_installed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """`acme` and its wrong variants are declared as an installed package would declare them."""
    folder = tmp_path_factory.mktemp("installed")
    declare(folder, "connector-acme", {"acme": "connector_acme:Acme"})
    with importable(PACKAGES, folder):
        from connector_acme_wrong import WRONG, OnlyChecks

        declare(
            folder,
            "connector-acme-wrong",
            {name_of(kind): f"connector_acme_wrong:{kind.__name__}" for kind in (*WRONG, OnlyChecks)},
        )
        yield
