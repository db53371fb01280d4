"""The systems that are told what happens, as they are configured."""

from __future__ import annotations

from connector.api.field_names import rights_of
from connector.api.field_rights import EVERY_FIELD
from connector.api.schema import build_schema
from connector.model.principals import Principal
from connector.model.refs import EntityKind
from connector.outbound.posting import Endpoint
from connector.settings.sections import Settings

SOURCE = "connector"
"""What events say that they come from where the hub's own address is not configured."""


def endpoints_of(settings: Settings) -> tuple[Endpoint, ...]:
    """All of them, each with what its roles and regions may see."""
    if not settings.events:
        return ()
    rights = rights_of(settings.auth.fields, build_schema()._schema) if settings.auth.fields else EVERY_FIELD
    return tuple(
        Endpoint(
            name,
            given.url,
            given.secrets,
            tuple(map(EntityKind, given.kinds)),
            rights.sight(
                Principal(name, frozenset(given.roles), None if given.regions is None else frozenset(given.regions))
            ),
            settings.server.public_url or SOURCE,
        )
        for name, given in settings.events.items()
    )
