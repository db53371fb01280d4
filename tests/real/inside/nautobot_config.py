# Nautobot's own defaults; everything else is in environment variables.
import os

from nautobot.core.settings import *  # noqa: F403

ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLATION_METRICS_ENABLED = False
CHANGELOG_RETENTION = 0
# Nautobot posts to no address of the loopback network: to any other one, by way of this.
HTTP_PROXIES = {"http": os.environ["HOOK_PROXY"]}
