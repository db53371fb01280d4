from __future__ import annotations

from pathlib import Path

import pytest

from connector.api.field_rights import EVERY_FIELD
from connector.model.errors import InvalidConfiguration
from connector.model.principals import Principal
from connector.serve import field_rights
from connector.settings.loading import load_settings
from connector.storage.query import Sight


def write(directory: Path, text: str) -> Path:
    file = directory / "connector.toml"
    file.write_text(text, encoding="utf-8")
    return file


def problems_of(file: Path) -> list[str]:
    with pytest.raises(InvalidConfiguration) as caught:
        load_settings(file)
    return list(caught.value.problems)


def test_without_a_file_the_hub_is_a_small_one_on_this_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)

    loaded = load_settings()

    assert loaded.file is None
    assert loaded.settings.database == "sqlite:///var/connector.db"
    assert (loaded.settings.server.host, loaded.settings.server.port) == ("127.0.0.1", 8000)
    assert loaded.settings.sources == {}


def test_every_problem_is_told_at_once_with_key_expectation_and_example(tmp_path: Path):
    file = write(
        tmp_path,
        """
        databse = "typo"
        database = "mysql://db"
        [server]
        port = "abc"
        [sources.cmdb]
        schedule = "never"
        full_schedule = "0 3 * * 0"
        schedule_time_zone = "Europe/Berln"
        schedule_jitter_seconds = -1
        guard = { changed_share = 20 }
        [sources.itsm]
        adapter = "request_tracker"
        base_url = "https://rt.example.com"
        token = { env = "CONNECTOR_TEST_UNSET" }
        [sources.parcels]
        adapter = "karrio"
        base_url = "https://karrio.example.com"
        token = "key_0123"
        page_size = 1000
        colour = "blue"
        """,
    )

    assert sorted(problems_of(file)) == [
        "database: database 'mysql' is not supported, only sqlite and postgresql are. "
        "Expected: SQLite file or PostgreSQL database. Example: 'sqlite:///var/connector.db'",
        "databse: Extra inputs are not permitted. Known keys are: database, redis, policy, log_level, postgresql, "
        "server, auth, graphql, fulfilment, travel_time, identity, quality, limits, egress, telemetry, events, "
        "sources.",
        "server.port: Input should be a valid integer, unable to parse string as an integer. "
        "Expected: Port to listen on. Example: 8000",
        "sources.cmdb.adapter: Field required. Expected: Name of the adapter. Example: 'nautobot'",
        "sources.cmdb.guard.changed_share: Input should be less than or equal to 1. Expected: Share that may change at "
        "once; 1 lets everything change. Example: 0.5",
        "sources.cmdb.schedule: 'never' is no cron expression; write minute hour day month weekday. "
        "Expected: When to pull, as cron; empty means by hand only. Example: '*/5 * * * *'",
        "sources.cmdb.schedule_jitter_seconds: Input should be greater than or equal to 0. Expected: Pulls begin up to "
        "so much later, each time another while. Example: 30",
        "sources.cmdb.schedule_time_zone: time zone 'Europe/Berln' is not in the IANA database: write e.g. "
        "'Europe/Berlin'. Expected: IANA time zone of these times. Example: 'Europe/Berlin'",
        "sources.itsm.token: environment variable 'CONNECTOR_TEST_UNSET' is not set",
        "sources.parcels.colour: Extra inputs are not permitted.",
        "sources.parcels.page_size: Input should be less than or equal to 100. Example: 100.",
    ]


@pytest.mark.parametrize("host", ["0.0.0.0", "192.0.2.1", "::", "hub.example.com"])
def test_listening_beyond_this_machine_needs_authentication(tmp_path: Path, host: str):
    file = write(tmp_path, f'[server]\nhost = "{host}"\n')

    (problem,) = problems_of(file)

    assert problem.startswith(f"server.host: '{host}' is reachable from other machines, which needs auth.token first")


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.5", "::1", "localhost"])
def test_loopback_needs_none(tmp_path: Path, host: str):
    assert load_settings(write(tmp_path, f'[server]\nhost = "{host}"\n')).settings.server.host == host


def test_what_does_not_go_together_is_told_beside_what_is_wrong_by_itself(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("CONNECTOR_SERVER__HOST", "0.0.0.0")
    found = problems_of(
        write(
            tmp_path,
            """
            [server]
            port = 70000
            [fulfilment]
            courier = "parcels"
            [fulfilment.tickets.itsm]
            state = "on_hold"
            """,
        )
    )

    assert [problem.split(":", 1)[0] for problem in found] == [
        "server.port",
        "server.host",
        "fulfilment.courier",
        "fulfilment.tickets.itsm",
    ]


def test_with_a_token_any_address_is_allowed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONNECTOR_TEST_TOKEN", "0123456789abcdef")
    file = write(tmp_path, '[server]\nhost = "0.0.0.0"\n[auth]\ntoken = { env = "CONNECTOR_TEST_TOKEN" }\n')

    loaded = load_settings(file)

    assert loaded.settings.server.host == "0.0.0.0"
    assert "0123456789abcdef" in loaded.secrets
    assert "0123456789abcdef" not in repr(loaded)


def test_a_short_token_is_refused_without_showing_it(tmp_path: Path):
    (problem,) = problems_of(write(tmp_path, '[auth]\ntoken = "hunter2"\n'))

    assert problem.startswith("auth.token: a token has at least 16 characters")
    assert "hunter2" not in problem


def test_secrets_come_from_files_beside_the_configuration(tmp_path: Path):
    (tmp_path / "token.txt").write_text("from-a-file\n", encoding="utf-8")
    url = "https://rt.example.com"
    file = write(
        tmp_path,
        f'[sources.itsm]\nadapter = "request_tracker"\nbase_url = "{url}"\ntoken = {{ file = "token.txt" }}\n',
    )

    loaded = load_settings(file)

    assert loaded.settings.sources["itsm"].adapter_settings() == {"base_url": url, "token": "from-a-file"}
    assert loaded.secrets == ("from-a-file",)


def test_relative_paths_are_relative_to_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir("/")
    file = write(
        tmp_path,
        'database = "sqlite:///data/hub.db"\npolicy = "policy.yaml"\n'
        '[sources.sheets]\nadapter = "file"\ndirectory = "sheets"\n',
    )

    settings = load_settings(file).settings

    assert settings.database == f"sqlite:///{tmp_path}/data/hub.db"
    assert settings.policy == tmp_path / "policy.yaml"
    assert settings.sources["sheets"].adapter_settings() == {"directory": f"{tmp_path}/sheets"}


def test_a_bundle_of_authorities_is_looked_for_beside_the_file_and_must_be_there(tmp_path: Path):
    file = write(
        tmp_path,
        '[sources.itsm]\nadapter = "request_tracker"\nbase_url = "https://rt.example.com"\ntoken = "x"\n'
        'ca_bundle = "tls/company-ca.pem"\n',
    )

    with pytest.raises(InvalidConfiguration) as raised:
        load_settings(file)

    said = f"sources.itsm.ca_bundle: Value error, '{tmp_path}/tls/company-ca.pem' cannot be read: No such file"
    assert said in str(raised.value)


def test_the_environment_goes_before_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("CONNECTOR_SERVER__PORT", "8123")
    monkeypatch.setenv("CONNECTOR_DATABASE", "postgresql://hub:open-sesame@db/hub")

    loaded = load_settings(write(tmp_path, "[server]\nport = 9000\n"))

    assert loaded.settings.server.port == 8123
    assert loaded.settings.database == "postgresql://hub:open-sesame@db/hub"
    assert loaded.secrets == ("open-sesame",)


def test_a_courier_that_is_no_source_is_named_with_the_alternatives(tmp_path: Path):
    sheets = '[sources.sheets]\nadapter = "file"\ndirectory = "sheets"\n'
    file = write(tmp_path, f'[fulfilment]\ncourier = "post"\n{sheets}')

    assert problems_of(file) == ["fulfilment.courier: there is no source 'post'; configured are: sheets"]


def test_a_precedence_names_sources_kinds_and_fields_that_exist(tmp_path: Path):
    sheets = '[sources.cmdb]\nadapter = "file"\ndirectory = "sheets"\n'
    right = '[identity.precedence]\nasset = ["cmdb"]\n"site.position" = ["cmdb"]\ndefault = ["cmdb"]\n'
    wrong = """
        [identity.precedence]
        asset = ["cmbd", "cmdb", "cmdb"]
        "asset.serial_number" = ["cmdb"]
        "asset.xyz" = ["cmdb"]
        hubs = ["cmdb"]
        [identity.fresh_days]
        mdm = 30
        """

    assert load_settings(write(tmp_path, right + sheets)).settings.identity.precedence["asset"] == ["cmdb"]
    assert problems_of(write(tmp_path, wrong + sheets)) == [
        "identity.precedence.asset: there is no source 'cmbd'; did you mean 'cmdb'?",
        "identity.precedence.asset: source 'cmdb' is listed twice",
        "identity.precedence.asset.serial_number: asset has no field 'serial_number'; did you mean 'asset.serial'?",
        "identity.precedence.asset.xyz: asset has no field 'xyz', only name, serial, asset_tag, product, revision, "
        "warranty_ends_on, holder, url, place, state, lane",
        "identity.precedence.hubs: there is no kind 'hubs'; did you mean 'hub'?",
        "identity.fresh_days.mdm: there is no source 'mdm'; configured are: cmdb",
    ]


def test_a_missing_file_and_broken_toml_say_so(tmp_path: Path):
    with pytest.raises(InvalidConfiguration, match="does not exist"):
        load_settings(tmp_path / "nowhere.toml")
    with pytest.raises(InvalidConfiguration, match="is not valid TOML: "):
        load_settings(write(tmp_path, "[server\n"))


def test_keys_have_names_roles_and_tokens_of_their_own(tmp_path: Path):
    file = write(
        tmp_path,
        """
        [auth]
        token = "one-token-for-all"
        [auth.keys.ada]
        token = "the-token-of-ada-1234"
        roles = ["dispatcher", "duty-manager"]
        """,
    )
    loaded = load_settings(file)

    assert loaded.settings.auth.keys["ada"].roles == ("dispatcher", "duty-manager")
    assert set(loaded.secrets) == {"one-token-for-all", "the-token-of-ada-1234"}
    assert "the-token-of-ada-1234" not in repr(loaded)


def test_keys_that_cannot_be_used_are_told(tmp_path: Path):
    file = write(
        tmp_path,
        """
        [auth.keys.bob]
        token = "short"
        roles = []
        rolls = ["viewer"]
        [auth.keys.eve]
        roles = ["viewer", "Duty Manager"]
        """,
    )

    assert sorted(problems_of(file)) == [
        "auth.keys.bob.roles: Tuple should have at least 1 item after validation, not 0. "
        "Expected: What it may do. Example: ['dispatcher', 'approver']",
        "auth.keys.bob.rolls: Extra inputs are not permitted. Known keys are: token, token_sha256, roles, regions.",
        "auth.keys.bob.token: a token has at least 16 characters. "
        "Expected: Bearer token of this key. Example: {'env': 'CONNECTOR_KEY_ADA'}",
        "auth.keys.eve.roles.1: String should match pattern '^[a-z0-9][a-z0-9_-]{0,63}$'",
    ]
    same = write(
        tmp_path,
        """
        [auth.keys.ada]
        token = "the-token-of-both-1234"
        roles = ["viewer"]
        [auth.keys."cli:root"]
        token = "the-token-of-both-1235"
        roles = ["viewer"]
        """,
    )
    assert problems_of(same)[0].startswith("auth.keys: key name 'cli:root' may hold letters, digits")
    twice = write(
        tmp_path,
        """
        [auth.keys.ada]
        token = "the-token-of-both-1234"
        roles = ["viewer"]
        [auth.keys.bob]
        token = "the-token-of-both-1234"
        roles = ["viewer"]
        """,
    )
    assert problems_of(twice)[0].startswith("auth: auth.keys.bob has the token of auth.keys.ada: give each its own")


def test_an_identity_provider_has_defaults_for_what_most_providers_do(tmp_path: Path):
    loaded = load_settings(
        write(
            tmp_path,
            """
            [server]
            host = "0.0.0.0"
            [auth.oidc]
            issuer = "https://id.example.com/realms/it"
            audience = "connector"
            required_claims = { email_verified = true }
            [auth.oidc.roles]
            "/logistics/dispatch" = ["dispatcher", "approver"]
            """,
        )
    )

    oidc = loaded.settings.auth.oidc
    assert oidc is not None
    assert (oidc.jwks_url, oidc.algorithms, oidc.leeway_seconds) == (None, ("RS256", "ES256", "EdDSA"), 30)
    assert (oidc.name_claim, oidc.roles_claim) == ("email", "roles")
    assert oidc.roles == {"/logistics/dispatch": ("dispatcher", "approver")}
    assert oidc.required_claims == {"email_verified": True}


def test_an_identity_provider_that_cannot_be_trusted_is_told_with_every_mistake(tmp_path: Path):
    file = write(
        tmp_path,
        """
        [auth.oidc]
        issuer = "http://id.example.com"
        jwks_url = "ftp://127.0.0.1/keys"
        algorithms = ["RS256", "HS256", "none"]
        leeway_seconds = 3600
        group_claim = "groups"
        [auth.oidc.roles]
        """,
    )

    allowed = "'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512', 'ES256', 'ES384', 'ES512' or 'EdDSA'"
    assert sorted(problem.split(". Expected")[0] for problem in problems_of(file)) == [
        f"auth.oidc.algorithms.1: Input should be {allowed}",
        f"auth.oidc.algorithms.2: Input should be {allowed}",
        "auth.oidc.audience: Field required",
        "auth.oidc.group_claim: Extra inputs are not permitted. Known keys are: issuer, audience, jwks_url, "
        "algorithms, leeway_seconds, name_claim, roles_claim, roles, regions_claim, regions, "
        "required_claims.",
        "auth.oidc.issuer: 'http://id.example.com' must begin with https://, or with http:// on this machine: "
        "keys come from there",
        "auth.oidc.jwks_url: 'ftp://127.0.0.1/keys' must begin with https://, or with http:// on this machine: "
        "keys come from there",
        "auth.oidc.leeway_seconds: Input should be less than or equal to 300",
        "auth.oidc.roles: Dictionary should have at least 1 item after validation, not 0",
    ]


def test_folders_of_documents_are_relative_to_the_file_and_must_be_there(tmp_path: Path):
    (tmp_path / "portal").mkdir()
    file = tmp_path / "connector.toml"
    file.write_text('[graphql]\ndocuments = "trusted"\nfolders = ["portal"]\n')

    assert load_settings(file).settings.graphql.folders == [tmp_path / "portal"]

    file.write_text('[graphql]\nfolders = ["nowhere"]\n')
    with pytest.raises(InvalidConfiguration) as caught:
        load_settings(file)
    assert caught.value.problems == (
        f"graphql.folders: '{tmp_path / 'nowhere'}' is no folder. "
        "Expected: Folders with documents that are trusted, too. Example: ['portal/graphql']",
    )


def test_a_subgraph_runs_what_its_gateway_writes(tmp_path: Path):
    file = tmp_path / "connector.toml"
    file.write_text('[graphql]\nfederation = true\ndocuments = "trusted"\n')

    with pytest.raises(InvalidConfiguration) as caught:
        load_settings(file)

    assert caught.value.problems == (
        "graphql.federation: a gateway writes its documents itself, so graphql.documents must be 'any'. "
        "Expected: Whether the hub is a subgraph of Apollo Federation. Example: True",
    )


@pytest.mark.parametrize("origin", ["*", "https://portal.example.com/", "https://*.example.com", "portal.example.com"])
def test_origins_are_exact(tmp_path: Path, origin: str):
    file = tmp_path / "connector.toml"
    file.write_text(f'[graphql]\norigins = ["https://portal.example.com:8443", "{origin}"]\n')

    with pytest.raises(InvalidConfiguration) as caught:
        load_settings(file)

    assert caught.value.problems == (
        f"graphql.origins: '{origin}' is no origin as browsers write it: scheme, host, port. "
        "Expected: Origins whose pages may ask the hub from a browser. Example: ['https://portal.example.com']",
    )


def test_fields_that_are_for_some_roles_are_checked_with_everything_else(tmp_path: Path):
    file = write(
        tmp_path,
        """
        databse = "typo"
        [auth]
        anonymous = false
        roles = ["finance"]
        [auth.keys.ada]
        token = "the-token-of-ada-1234"
        roles = ["buyer"]
        [auth.oidc]
        issuer = "https://id.example.com"
        audience = "connector"
        roles = { people = ["desk"] }
        [auth.fields]
        "Product.unitCostCents" = ["finance", "buyer", "desk", "planner"]
        "Product.price" = ["planer"]
        "Ticket.title" = ["planner"]
        "Ticket.url" = []
        """,
    )

    found = sorted(problems_of(file))

    assert [problem.split(";")[0].split(". ")[0] for problem in found] == [
        "auth.fields.Product.price: Product has no field 'price'",
        "auth.fields.Product.price: there is no role 'planer'",
        "auth.fields.Ticket.title: it is never null, so it cannot read as missing",
        "auth.fields.Ticket.url: Tuple should have at least 1 item after validation, not 0",
        "databse: Extra inputs are not permitted",
    ]
    assert found[1] == (
        "auth.fields.Product.price: there is no role 'planer'; there are admin, approver, buyer, desk, dispatcher, "
        "finance, incident-manager, machine, planner, technician, viewer, and those that auth.roles names"
    )


def test_a_field_without_quotes_says_how_to_write_it(tmp_path: Path):
    (problem,) = problems_of(write(tmp_path, '[auth.fields]\nProduct.unitCostCents = ["planner"]\n'))

    assert problem.startswith(
        'auth.fields: write the name of a field in quotes: "Product.unitCostCents" = [...]. Expected: Field of the '
    )


def test_fields_become_rights_of_the_hub(tmp_path: Path):
    loaded = load_settings(write(tmp_path, '[auth.fields]\n"Product.unitCostCents" = ["planner"]\n'))

    rights = field_rights(loaded.settings)

    assert ("product", "unit_cost_cents") in rights.sight(Principal("eve", frozenset({"viewer"}))).hidden
    assert rights.sight(Principal("ada", frozenset({"planner"}), frozenset({"EU"}))) == Sight(frozenset({"EU"}))
    assert field_rights(load_settings(write(tmp_path, "")).settings) is EVERY_FIELD
