"""The demo's directory: the hub's configuration as a customer writes it, sheets, secrets, and who listens where."""

from __future__ import annotations

import csv
import json
import secrets
import socket
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from connector.demo.fleet import COUNTED, MODELS, SUBSTITUTES, Fleet, Place
from connector.model.errors import NotKnown
from connector.model.kinds import HubTier

STATE_FILE = "demo.json"
CONFIGURATION_FILE = "connector.toml"
SANDBOX_PORTS = {"cmdb": 8081, "itsm": 8082, "parcels": 8083}
HUB_PORT = 8000

_OPENING = {HubTier.CENTRAL: "24x7", HubTier.REGIONAL: "Mon-Sun 06:00-22:00", HubTier.LOCAL: "Mon-Sat 07:00-20:00"}
_CUT_OFFS = {HubTier.CENTRAL: "12:00 18:00 22:00", HubTier.REGIONAL: "12:00 18:00", HubTier.LOCAL: "17:00"}
_HANDLING_MINUTES = {HubTier.CENTRAL: 60, HubTier.REGIONAL: 30, HubTier.LOCAL: 15}


@dataclass(frozen=True, slots=True)
class DemoState:
    """Where the demo's parts listen, and the secrets that they share."""

    hub_port: int
    ports: dict[str, int]
    tokens: dict[str, str]
    webhook_secrets: dict[str, str]

    def url(self, name: str) -> str:
        """Base address of a sandbox system."""
        return f"http://127.0.0.1:{self.ports[name]}"

    @property
    def hub_url(self) -> str:
        """Base address of the hub."""
        return f"http://127.0.0.1:{self.hub_port}"

    def webhook_url(self, name: str) -> str:
        """Where a sandbox system posts its webhooks."""
        return f"{self.hub_url}/webhooks/{name}"


def prepare(home: Path, fleet: Fleet, *, hub_port: int) -> DemoState:
    """Make the directory ready: secrets are made once and kept, ports are kept where they are still free."""
    (home / "sheets").mkdir(parents=True, exist_ok=True)
    known = _read(home)
    state = DemoState(
        hub_port=hub_port,
        ports={name: _free_port((known.ports if known else SANDBOX_PORTS)[name]) for name in SANDBOX_PORTS},
        tokens=known.tokens if known else _new_tokens(),
        webhook_secrets=known.webhook_secrets if known else {name: secrets.token_hex(20) for name in SANDBOX_PORTS},
    )
    for name in SANDBOX_PORTS:
        _write_secret(home / "secrets" / f"{name}-token", state.tokens[name])
        _write_secret(home / "secrets" / f"{name}-webhook", state.webhook_secrets[name])
    _write_sheets(home / "sheets", fleet)
    (home / CONFIGURATION_FILE).write_text(_configuration(state), encoding="utf-8")
    _write_secret(home / STATE_FILE, json.dumps(asdict(state), indent=2))
    return state


def read_state(home: Path) -> DemoState:
    """The state of a demo that was started in this directory. Raises NotKnown when none was."""
    state = _read(home)
    if state is None:
        raise NotKnown(
            f"there is no demo in {str(home)!r}", hint="Start one with `make run`, or name its directory with --home."
        )
    return state


def _read(home: Path) -> DemoState | None:
    path = home / STATE_FILE
    return DemoState(**json.loads(path.read_text(encoding="utf-8"))) if path.exists() else None


def _new_tokens() -> dict[str, str]:
    """In the form that each system gives its tokens."""
    return {
        "cmdb": secrets.token_hex(20),
        "itsm": f"1-14-{secrets.token_hex(16)}",
        "parcels": f"key_{secrets.token_hex(16)}",
    }


def _free_port(wanted: int) -> int:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", wanted))
        except OSError:
            probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _write_secret(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")


def _configuration(state: DemoState) -> str:
    return f"""\
# The demo's hub, configured as a customer would. Written anew at each start of the demo.
database = "sqlite:///connector.db"

[server]
port = {state.hub_port}

[auth]
anonymous = true

[fulfilment]
courier = "parcels"

[fulfilment.tickets.itsm]
fields = {{ "Tracking Number" = "{{tracking_number}}" }}

[sources.sheets]
adapter = "file"
directory = "sheets"
schedule = "*/15 * * * *"

[sources.cmdb]
adapter = "nautobot"
base_url = "{state.url("cmdb")}"
token = {{ file = "secrets/cmdb-token" }}
webhook_secret = {{ file = "secrets/cmdb-webhook" }}
write_back = true
schedule = "*/5 * * * *"

[sources.itsm]
adapter = "request_tracker"
base_url = "{state.url("itsm")}"
token = {{ file = "secrets/itsm-token" }}
webhook_secret = {{ file = "secrets/itsm-webhook" }}
queues = ["Hardware"]
schedule = "* * * * *"

[sources.parcels]
adapter = "karrio"
base_url = "{state.url("parcels")}"
token = {{ file = "secrets/parcels-token" }}
webhook_secret = {{ file = "secrets/parcels-webhook" }}
schedule = "* * * * *"
"""


def _write_sheets(directory: Path, fleet: Fleet) -> None:
    """What the small team behind the demo keeps in sheets: hubs, products, substitutes, counted stock."""
    _write_csv(directory / "hubs.csv", [_hub_row(hub) for hub in fleet.hubs])
    _write_csv(
        directory / "products.csv",
        [
            {
                "manufacturer": m.manufacturer, "model": m.model, "asset_class": m.asset_class,
                "criticality": m.criticality, "unit_cost": f"{m.cost_cents / 100:.2f}", "currency": "EUR",
                "weight_g": m.weight_g, "is_data_bearing": "yes" if m.is_data_bearing else "no",
                "tracking": "serialised",
            }
            for m in MODELS
        ]
        + [
            {
                "manufacturer": manufacturer, "model": model, "asset_class": asset_class, "criticality": "tier_3",
                "unit_cost": f"{cents / 100:.2f}", "currency": "EUR", "weight_g": grams, "is_data_bearing": "no",
                "tracking": "counted",
            }
            for manufacturer, model, asset_class, cents, grams, _ in COUNTED
        ],
    )  # fmt: skip
    _write_csv(
        directory / "compatibilities.csv",
        [
            {
                "manufacturer": manufacturer, "model": model, "substitute_manufacturer": other,
                "substitute_model": other_model, "preference": preference,
            }
            for manufacturer, model, other, other_model, preference in SUBSTITUTES
        ],
    )  # fmt: skip
    _write_csv(
        directory / "stock.csv",
        [
            {"hub": hub.code, "manufacturer": manufacturer, "model": model, "quantity": units[hub.tier]}
            for hub in fleet.hubs
            for manufacturer, model, _, _, _, units in COUNTED
            if hub.tier is not None
        ],
    )


def _hub_row(hub: Place) -> dict[str, object]:
    tier = hub.tier or HubTier.LOCAL
    return {
        "code": hub.code, "name": hub.name, "tier": tier.value, "latitude": hub.point.latitude,
        "longitude": hub.point.longitude, "time_zone": hub.time_zone, "region": hub.region, "country": hub.country,
        "city": hub.city, "line1": hub.street, "postal_code": hub.postal_code, "opening_hours": _OPENING[tier],
        "courier_cut_offs": _CUT_OFFS[tier], "handling_minutes": _HANDLING_MINUTES[tier],
    }  # fmt: skip


def _write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
