"""SANDBOX: what a request to Karrio must look like; refused as Django REST framework refuses it."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from connector_karrio.sandbox.office import Refusal

LONG = 100
"""Most texts of an address have this many characters at most."""
Short = Annotated[str, Field(max_length=LONG)]


class _Body(BaseModel):
    model_config = ConfigDict(extra="allow")


class Address(_Body):
    """A party's address."""

    country_code: str = Field(pattern="^[A-Z]{2}$")
    person_name: Short | None = None
    company_name: Short | None = None
    address_line1: Short | None = None
    address_line2: Short | None = None
    city: Annotated[str, Field(max_length=30)] | None = None
    postal_code: Annotated[str, Field(max_length=10)] | None = None


class ParcelBody(_Body):
    """A parcel."""

    weight: float
    weight_unit: str = Field(pattern="^(KG|LB|OZ|G)$")


class RatesBody(_Body):
    """What offers are asked for with."""

    shipper: Address
    recipient: Address
    parcels: list[ParcelBody] = Field(min_length=1)


class ShipmentBody(RatesBody):
    """What a draft is made of."""

    reference: Short | None = None
    label_type: str = Field(default="PDF", pattern="^(PDF|ZPL|PNG)$")


class PickupBody(_Body):
    """What a pickup is ordered with."""

    carrier_code: str
    pickup_date: str = Field(pattern=r"^\d{4}-\d\d-\d\d$")
    ready_time: str = Field(pattern=r"^\d\d:\d\d$")
    closing_time: str = Field(pattern=r"^\d\d:\d\d$")
    address: Address
    tracking_numbers: list[str] = Field(min_length=1)


class TrackerBody(_Body):
    """What a tracker is made of."""

    tracking_number: str
    carrier_name: str


def checked(model: type[BaseModel], body: Any) -> dict[str, Any]:
    """The body, when it fits. Raises Refusal naming the first field that does not."""
    try:
        return model.model_validate(body).model_dump()
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(str(step) for step in first["loc"]) or "non_field_errors"
        match first["type"]:
            case "missing" | "model_type" | "model_attributes_type":
                reason = "This field is required."
            case "string_too_long":
                reason = f"Ensure this field has no more than {first['ctx']['max_length']} characters."
            case "string_pattern_mismatch":
                reason = f'"{first["input"]}" is not a valid choice.'
            case _:
                reason = "A valid value is required."
        raise Refusal(400, "validation", f"{field}: {reason}") from None
