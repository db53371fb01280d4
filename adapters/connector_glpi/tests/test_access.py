"""Sessions, and what GLPI says with 400 that is about who asks."""

from __future__ import annotations

import httpx
import pytest

from connector.sdk import AuthError, ConfigError, EntityKind, NotFound, SourceRef, UnexpectedResponse
from connector.sdk.testing import Between, Connected
from connector_glpi.sandbox import GlpiSandbox
from connector_glpi.sandbox.system import PASSWORD, USER

from .conftest import NOON, Opened


async def test_a_session_that_is_over_is_opened_anew_once_and_kept_until_then(
    sandbox: GlpiSandbox, source: Connected, wire: Between
):
    await source.adapter.check()
    await source.adapter.check()
    assert wire.count("/apirest.php/initSession") == 1

    sandbox.server.sessions.clear()
    await source.adapter.check()

    assert wire.count("/apirest.php/initSession") == 2


async def test_login_and_password_open_a_session_too(source: Connected, opened: Opened):
    await opened(user_token=None, username=USER, password=PASSWORD).adapter.check()
    with pytest.raises(AuthError, match="lets nobody in: ERROR_GLPI_LOGIN") as error:
        await opened(user_token=None, username=USER, password="wrong-password").adapter.check()

    assert "wrong-password" not in str(error.value)


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"app_token": "another-token"}, "ERROR_WRONG_APP_TOKEN_PARAMETER"),
        ({"app_token": None}, "ERROR_APP_TOKEN_PARAMETERS_MISSING"),
        ({"profile": 9}, "GLPI refuses changeActiveProfile"),
        ({"entity": 9}, "GLPI refuses changeActiveEntities"),
    ],
)
async def test_who_is_not_let_in_is_told_why(opened: Opened, settings: dict[str, object], told: str):
    with pytest.raises(AuthError, match=told):
        await opened(**settings).adapter.check()


async def test_profile_and_entity_are_taken_when_a_session_opens(sandbox: GlpiSandbox, opened: Opened):
    await opened(profile=6, entity=1).adapter.check()

    assert list(sandbox.server.sessions.values()) == [{"profile": 6, "entity": 1}]


async def test_a_list_without_right_stops_the_source_and_opens_no_further_session(
    sandbox: GlpiSandbox, source: Connected, wire: Between
):
    sandbox.server.without_right.add("Ticket")
    with pytest.raises(AuthError):
        await source.adapter.check()

    assert wire.count("/apirest.php/initSession") == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_one_item_without_right_is_not_there_whichever_status_the_version_says_it_with(
    sandbox: GlpiSandbox, source: Connected, wire: Between, status: int
):
    sandbox.device(NOON)
    body = ["ERROR_RIGHT_MISSING", "You don't have permission to perform this action."]

    def hide(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(status, json=body) if request.url.path.endswith("/Computer/1") else None

    wire.change = hide
    with pytest.raises(NotFound, match="hides it from the hub's user"):
        await source.adapter.fetch(SourceRef(kind=EntityKind.ASSET, external_id="Computer-1"))


@pytest.mark.parametrize(
    ("answer", "kind"),
    [
        (httpx.Response(400, json=["ERROR", "API disabled"]), ConfigError),
        (httpx.Response(400, json=["ERROR_NOT_ALLOWED_IP", "There isn't an active API client"]), AuthError),
        (httpx.Response(200, json={"session_token": ""}), UnexpectedResponse),
        (httpx.Response(200, json=["?"]), UnexpectedResponse),
    ],
)
async def test_what_else_may_be_answered_to_the_first_request(
    source: Connected, wire: Between, answer: httpx.Response, kind: type[Exception]
):
    wire.change = lambda _: answer
    with pytest.raises(kind):
        await source.adapter.check()


async def test_a_proxy_that_takes_the_total_away_is_told(sandbox: GlpiSandbox, source: Connected, wire: Between):
    def strip(request: httpx.Request) -> httpx.Response | None:
        return httpx.Response(200, json=[{"id": 1}]) if request.url.path.endswith("/Computer") else None

    wire.change = strip
    with pytest.raises(UnexpectedResponse, match="does not say how many rows Computer has"):
        await source.adapter.check()


@pytest.mark.parametrize(
    "external_id", ["Computer-0", "Computer-1/../2", "Software-1", "1", "ComputerModel-1", "١", "Computer-x"]
)
@pytest.mark.parametrize("kind", [EntityKind.ASSET, EntityKind.TICKET, EntityKind.PRODUCT, EntityKind.SITE])
async def test_what_is_no_reference_of_glpis_is_not_found(source: Connected, kind: EntityKind, external_id: str):
    with pytest.raises(NotFound):
        await source.adapter.fetch(SourceRef(kind=kind, external_id=external_id))
