"""The hub's configuration, as a customer with these three systems would write it."""

from __future__ import annotations

import csv
import secrets
from pathlib import Path

from connector.demo.fleet import demo_fleet
from connector.model.kinds import HubTier
from tests.real.hub import Hub
from tests.real.server import free_port
from tests.real.systems import Systems

CONFIGURATION = """
database = "sqlite:///connector.db"

[server]
port = {port}

[auth]
anonymous = true

[fulfilment]
courier = "parcels"
label_format = "pdf"

[fulfilment.tickets.itsm]
fields = {{ "Tracking Number" = "{{tracking_number}}" }}

[sources.cmdb]
adapter = "nautobot"
base_url = "{systems.cmdb.url}"
token = {{ env = "NAUTOBOT_TOKEN" }}
schedule = "* * * * *"

[sources.sheets]
adapter = "file"
directory = "sheets"

[sources.itsm]
adapter = "request_tracker"
base_url = "{systems.desk.url}"
token = {{ env = "RT_TOKEN" }}
webhook_secret = {{ env = "RT_WEBHOOK_SECRET" }}
queues = ["{systems.desk.queue}"]

[sources.parcels]
adapter = "karrio"
base_url = "{systems.parcels.url}"
token = {{ env = "KARRIO_TOKEN" }}
webhook_secret = {{ env = "KARRIO_WEBHOOK_SECRET" }}
tracking_carriers = {{ testpost = "dhl_universal" }}
schedule = "0 * * * *"
"""

HANDLING_MINUTES = {HubTier.CENTRAL: 60, HubTier.REGIONAL: 30, HubTier.LOCAL: 15}


def start_hub(directory: Path, systems: Systems) -> Hub:
    """Write the configuration, have the systems post their webhooks to the hub, and start it."""
    port = free_port()
    (directory / "connector.toml").write_text(CONFIGURATION.format(port=port, systems=systems), encoding="utf-8")
    _write_sheets(directory / "sheets")
    desk_secret = secrets.token_hex(16)
    environment = {
        "NAUTOBOT_TOKEN": systems.cmdb.token,
        "RT_TOKEN": systems.desk.token,
        "RT_WEBHOOK_SECRET": desk_secret,
        "KARRIO_TOKEN": systems.parcels.token,
        "KARRIO_WEBHOOK_SECRET": systems.parcels.post_webhooks_to(f"http://127.0.0.1:{port}/webhooks/parcels"),
    }
    systems.desk.reject_open_incidents()
    systems.desk.post_webhooks_to(f"http://127.0.0.1:{port}/webhooks/itsm", desk_secret)
    hub = Hub(directory, port, environment)
    hub.start()
    return hub


def _write_sheets(directory: Path) -> None:
    """What the CMDB does not know of the hubs: tier, opening hours, cut-offs, handling."""
    directory.mkdir()
    with (directory / "hubs.csv").open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["code", "name", "tier", "opening_hours", "courier_cut_offs", "handling_minutes"])
        for hub in demo_fleet().hubs:
            assert hub.tier is not None
            hours = "Mon-Fri 07:00-19:00" if hub.tier is HubTier.CENTRAL else "24x7"
            rows.writerow([hub.code, hub.name, hub.tier.value, hours, "12:00,17:00", HANDLING_MINUTES[hub.tier]])
