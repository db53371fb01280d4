"""Who asks, and what the codes of answers mean."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from connector.sdk import AdapterError, AuthError, ConfigError, Conflict, Invalid, NotFound, OutcomeUnknown, Transient
from connector_itop import ItopConfig
from connector_itop.refusals import NoSuchClass, refusal
from connector_itop.sandbox.system import TOKEN

from .conftest import Opened


@pytest.mark.parametrize(
    "login", [{"login": "basic"}, {"login": "token", "username": None, "password": None, "token": TOKEN}]
)
async def test_each_way_to_prove_who_asks(opened: Opened, login: dict[str, object]):
    source = opened(**login)
    assert "of PhysicalDevice" in (await source.adapter.check()).detail

    assert b"auth_pwd" not in source.requests[0].content


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"login": "token"}, "login by token wants a token"),
        ({"password": None}, "login by form wants username and password"),
        ({"login": "basic", "password": "a:b"}, "cuts a basic login"),
        ({"countries": {"France": "fra"}}, "expected two letters"),
        ({"latitude": "lat"}, "latitude goes with longitude"),
        ({"datetime_format": "%d/%m %H:%M:%S"}, "datetime_format"),
        ({"device_classes": ["PC') OR ('1"]}, "pattern"),
    ],
)
def test_settings_that_cannot_work_are_refused(changes: dict[str, object], said: str):
    settings = {"base_url": "https://itop.example.com", "username": "hub", "password": "secret", **changes}
    with pytest.raises(ValidationError, match=said):
        ItopConfig.model_validate({name: value for name, value in settings.items() if value is not None})


WRITTEN = {"team_id": 1, "title": "x"}


@pytest.mark.parametrize(
    ("code", "message", "written", "kind", "fields"),
    [
        (1, "Error: Invalid login", None, AuthError, []),
        (10, "Error: There is no service available for version '9'", None, ConfigError, []),
        (100, "Error: class: 'Incident' is not a valid class'", None, NoSuchClass, []),
        (100, "Error: Invalid object Server::99", WRITTEN, NotFound, []),
        (100, "Error: No item found for query: SELECT PC WHERE id = 1", WRITTEN, Conflict, []),
        (100, "Error: team_id: Invalid object Team::9", WRITTEN, Invalid, ["team_id"]),
        (100, "Error: PC::1 cannot be saved", WRITTEN, Invalid, ["team_id", "title"]),
        (1213, "Error: Failed to issue SQL query: Deadlock found", None, Transient, []),
        (1213, "Error: Failed to issue SQL query: Deadlock found", WRITTEN, OutcomeUnknown, []),
    ],
)
def test_an_answer_with_a_code_is_the_error_that_it_means(
    code: int, message: str, written: dict[str, object] | None, kind: type[AdapterError], fields: list[str]
):
    error = refusal(code, message, "ask", written=written)

    assert type(error) is kind
    assert list(getattr(error, "fields", {})) == fields
