# Nautobot's own defaults; everything else is in environment variables.
from nautobot.core.settings import *  # noqa: F403

ALLOWED_HOSTS = ["127.0.0.1"]
INSTALLATION_METRICS_ENABLED = False
CHANGELOG_RETENTION = 0
