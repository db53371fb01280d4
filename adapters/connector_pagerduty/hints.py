"""What an incident tells of site, device and product: in custom fields, in its body, or by its service. Pure."""

from __future__ import annotations

import json
import re
from typing import Any, TypeVar

from connector.sdk import ProductKey
from connector.sdk.ticket_fields import units_wanted
from connector_pagerduty.config import PagerDutyConfig
from connector_pagerduty.shapes import Incident

T = TypeVar("T")

LONGEST_NAME = 50
"""Characters of a field's name; a longer text before a colon is none."""
LONGEST_DESCRIPTION = 65_536


class Hints:
    """The fields of one incident: its custom fields, then what its body says, each by name in any spelling."""

    def __init__(self, incident: Incident, config: PagerDutyConfig) -> None:
        self._incident = incident
        self._config = config
        details = incident.body.details if incident.body else None
        self._told = _of_body(details)
        for field in incident.custom_fields:
            if value := _text(field.value):
                self._told |= {_name(name): value for name in (field.display_name, field.name) if name}

    def text(self, name: str | None) -> str | None:
        """A field's value; None where nobody said."""
        return self._told.get(_name(name)) if name else None

    def site_name(self) -> str | None:
        """The site of the field for it, else that of the service."""
        return self.text(self._config.site_field) or self._of_service(self._config.service_sites)

    def category(self) -> str | None:
        """The category, else the service's name."""
        service = self._incident.service
        return self.text(self._config.category_field) or (service.summary if service else None)

    def product(self) -> ProductKey | None:
        """The product of the fields for it, else that of the service; half a name is none."""
        maker, model = self.text(self._config.manufacturer_field), self.text(self._config.model_field)
        if maker and model and len(maker) <= 255 and len(model) <= 255:
            part_number = self.text(self._config.part_number_field)
            return ProductKey(manufacturer=maker, model=model, part_number=part_number)
        return self._of_service(self._config.service_products)

    def quantity(self) -> int | None:
        """How many units are needed; None where nobody said so. Raises InvalidRecord."""
        field = self._config.quantity_field
        number = self._incident.incident_number
        return units_wanted(
            self.text(field), ticket=f"incident {number}", field=field, path="/custom_fields",
            hint="name another field in `quantity_field`",
        )  # fmt: skip

    def description(self) -> str | None:
        """The body as text."""
        details = self._incident.body.details if self._incident.body else None
        if details is None or details == "":
            return None
        if isinstance(details, dict):
            lines = (
                f"{key}: {_text(value) or json.dumps(value, ensure_ascii=False)}" for key, value in details.items()
            )
            return "\n".join(lines)[:LONGEST_DESCRIPTION] or None
        return (details if isinstance(details, str) else json.dumps(details, ensure_ascii=False))[:LONGEST_DESCRIPTION]

    def _of_service(self, known: dict[str, T]) -> T | None:
        service = self._incident.service
        if service is None:
            return None
        by_id = known.get(service.id or "")
        return known.get(service.summary or "") if by_id is None else by_id


def _of_body(details: Any) -> dict[str, str]:
    """Name -> value: of an object its texts and numbers, of a text its lines `name: value`, the first of each name."""
    found: dict[str, str] = {}
    if isinstance(details, dict):
        for key, value in details.items():
            if text := _text(value):
                found.setdefault(_name(str(key)), text)
    elif isinstance(details, str):
        for line in details.splitlines():
            key, colon, value = line.partition(":")
            if colon and value.strip() and 0 < len(key.strip()) <= LONGEST_NAME:
                found.setdefault(_name(key), value.strip())
    return found


def _name(text: str) -> str:
    """`Serial Number`, `serial-number` and `serial_number` are one."""
    return re.sub(r"[\s_-]+", "_", text.strip().casefold())


def _text(value: Any) -> str | None:
    """A value as text; of several the first. None where it is empty or an object."""
    if isinstance(value, list):
        return next((text for each in value if (text := _text(each))), None)
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value).strip() or None if isinstance(value, str | int | float) else None
