"""What a policy says about facts that are missing: a stated default, or a person's task.

Pure data here; `connector.rules.sourcing.decide` asks what it says.
"""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from connector.rules.policy.values import Part


class Centre(Part):
    """The point that stands for all places of a region or country that have no coordinates."""

    latitude: Annotated[float, Field(ge=-90, le=90, examples=[51.2])]
    longitude: Annotated[float, Field(ge=-180, le=180, examples=[10.4])]


class Missing(Part):
    """What follows where a fact is missing.

    product: `person` asks somebody which device has failed, `nothing` takes it that no hardware is needed.
    service_class: `default` takes `default_service_class`, or no due time where there is none; `person` asks somebody
    which one the site has.
    site_coordinates: `person` asks somebody, `assume` plans with the centre of the site's region or country, and with
    `assumed_km` to every hub where there is none. hub_coordinates: `refuse` leaves the hub out, `assume` plans with
    `assumed_km`. centres: by region or country. revision: of the device, where a rule takes only units of the same one:
    `person` asks somebody which one it has, `any` takes units of any.
    """

    product: Annotated[Literal["person", "nothing"], Field(examples=["person"])] = "person"
    service_class: Annotated[Literal["default", "person"], Field(examples=["default"])] = "default"
    site_coordinates: Annotated[Literal["person", "assume"], Field(examples=["person"])] = "person"
    hub_coordinates: Annotated[Literal["refuse", "assume"], Field(examples=["refuse"])] = "refuse"
    centres: Annotated[dict[str, Centre], Field(examples=[{"DE": {"latitude": 51.2, "longitude": 10.4}}])] = Field(
        default_factory=dict
    )
    revision: Annotated[Literal["person", "any"], Field(examples=["person"])] = "person"
    assumed_km: Annotated[float, Field(gt=0, le=20_000, examples=[300])] = 300
