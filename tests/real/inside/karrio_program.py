"""Runs Karrio's web server or its worker, with DHL's tracking service at TRACKING_FEED_URL instead of the internet.

python karrio_program.py serve PORT
python karrio_program.py work
python karrio_program.py token      prints an API token of the administrator
"""

import os
import sys

import django

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "karrio.server.settings")


def redirect_tracking() -> None:
    """Have the connector of DHL's tracking ask the feed."""
    from karrio.providers.dhl_universal.utils import Settings

    Settings.server_url = property(lambda _: os.environ["TRACKING_FEED_URL"])


def serve(port: int) -> None:
    """The web server."""
    import uvicorn
    from karrio.server.asgi import application

    redirect_tracking()
    uvicorn.run(application, host="127.0.0.1", port=port, log_level="warning")


def work() -> None:
    """The worker: polls trackers, posts webhooks."""
    from django.core.management import execute_from_command_line

    redirect_tracking()
    execute_from_command_line(["karrio", "run_huey", "--workers", "1"])


def token() -> None:
    """An API token in test mode; the administrator is made when there is none."""
    django.setup()
    from django.contrib.auth import get_user_model
    from karrio.server.user.models import Token

    users, email = get_user_model().objects, os.environ["ADMIN_EMAIL"]
    admin = users.filter(email=email).first() or users.create_superuser(email, os.environ["ADMIN_PASSWORD"])
    kept = Token.objects.filter(user=admin, test_mode=True).first() or Token.objects.create(user=admin, test_mode=True)
    print("TOKEN", kept.key)  # noqa: T201


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["serve", port]:
            serve(int(port))
        case ["work"]:
            work()
        case ["token"]:
            token()
        case other:
            raise SystemExit(f"unknown: {other}")
