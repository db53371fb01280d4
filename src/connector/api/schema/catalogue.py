"""Products, what can stand in for them, and kits."""

from datetime import datetime

import strawberry

from connector.api.schema.fields import column, paged, related
from connector.api.schema.lazy import (
    AnyAsset,
    AnyCompatibility,
    AnyFieldConflict,
    AnyFieldOverride,
    AnyKit,
    AnyProduct,
    AnyStock,
)
from connector.api.schema.money import Money, money
from connector.api.schema.nodes import Node
from connector.api.schema.paging import Connection
from connector.api.schema.provenance import FieldProvenance, SourceRecord, known_as, origins
from connector.model.kinds import Criticality, ProductStatus, Tracking
from connector.model.refs import EntityKind


@strawberry.type(description="A stockable model of hardware.")
class Product(Node):
    """A product."""

    manufacturer: str = column("Who makes it.")
    model: str = column("What its maker calls it.")
    part_number: str | None = column("The maker's part number.")
    sku: str | None = column("Our own article number, unique.")
    asset_class: str | None = column("What sort of device it is: `switch`, `laptop`.")
    criticality: Criticality | None = column("Service-level band that it is stocked at.")
    unit_cost_cents: int | None = column("Price of one, in hundredths of `currency`.")
    currency: str | None = column("ISO 4217.")
    unit_cost: Money | None = money("unit_cost_cents", "Price of one; null when nobody said.")
    weight_g: int | None = column("Grams, packed.")
    length_mm: int | None = column("Millimetres, packed.")
    width_mm: int | None = column("Millimetres, packed.")
    height_mm: int | None = column("Millimetres, packed.")
    is_data_bearing: bool | None = column("Whether it keeps data, so that a return must be wiped.")
    tracking: Tracking = column("Whether units are told apart by serial.")
    status: ProductStatus = column("Whether it is still made.")
    data_quality: int | None = column(
        "Percent of the records behind it without a defect, rounded down, when last measured: itself, its devices and "
        "its shelves, all over the hub; null before it was."
    )
    substitutes: list[AnyCompatibility] = related("substitutes", "What can stand in for it, the preferred ones first.")
    kits: list[AnyKit] = related("kits", "Kits that it ships in.")
    assets: Connection[AnyAsset] = paged("asset", "assets", "Devices of this model.")
    stock: Connection[AnyStock] = paged("stock", "stock", "Where it is held.")
    field_conflicts: Connection[AnyFieldConflict] = paged(
        "field_conflict", "field_conflicts", "Its fields of which sources state different values."
    )
    field_overrides: Connection[AnyFieldOverride] = paged(
        "field_override", "field_overrides", "What people said that its fields are, released ones too."
    )
    provenance: list[FieldProvenance] = origins(EntityKind.PRODUCT, "product")
    source_records: list[SourceRecord] = known_as()
    created_at: datetime = column("When it was first known.")
    updated_at: datetime = column("When it last changed.")
    retired_at: datetime | None = column("When its source deleted it; null while it exists.")


@strawberry.type(description="One product can stand in for another. The reverse is not implied.")
class Compatibility(Node):
    """A permitted substitution."""

    product: AnyProduct = related("product", "What is asked for.")
    substitute: AnyProduct = related("substitute", "What can be sent in its place.")
    preference: int = column("1 is tried first.")
    condition: str | None = column("When it may be: a CEL expression over ticket, asset and site; null means always.")
    retired_at: datetime | None = column("When its source deleted it; null while it holds.")


@strawberry.type(description="One line of a kit.")
class KitComponent(Node):
    """A component."""

    product: Product = related("product", "What goes in.")
    quantity: int = column("How many.")


@strawberry.type(description="A bill of materials that ships as one.")
class Kit(Node):
    """A kit."""

    name: str = column("What it is called, unique.")
    product: Product | None = related("product", "The device that it is the swap kit of.")
    instructions: str | None = column("How to pack and install it.")
    components: list[KitComponent] = related("components", "What goes in beside the device.")
    retired_at: datetime | None = column("When its source deleted it; null while it exists.")
