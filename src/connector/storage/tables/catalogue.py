"""Products, what can stand in for them, and kits."""

from datetime import datetime
from typing import ClassVar

from sqlalchemy import CheckConstraint, Index, UniqueConstraint
from sqlmodel import Field

from connector.model.kinds import Criticality, ProductStatus, Tracking
from connector.storage.tables.columns import Declared, EnumText, Id, Json, UtcDateTime, one_of


class Product(Declared, table=True):
    """A stockable model. manufacturer_key, model_key: the names folded for matching.

    data_quality: percent of the records behind it without a defect, data_defects: how many have which, both as last
    measured (see `connector.storage.quality`).
    """

    __tablename__: ClassVar[str] = "product"
    __table_args__ = (
        UniqueConstraint("manufacturer_key", "model_key", name="uq_product_key"),
        Index("ix_product_part_number", "part_number"),
        one_of("criticality", Criticality, optional=True),
        one_of("tracking", Tracking),
        one_of("status", ProductStatus),
        CheckConstraint("unit_cost_cents IS NULL OR unit_cost_cents >= 0", name="cost_not_negative"),
        CheckConstraint("data_quality BETWEEN 0 AND 100", name="data_quality_percent"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    manufacturer: str
    model: str
    manufacturer_key: str
    model_key: str
    part_number: str | None = None
    sku: str | None = Field(default=None, unique=True)
    asset_class: str | None = Field(default=None, index=True)
    criticality: Criticality | None = Field(default=None, sa_type=EnumText(Criticality))
    unit_cost_cents: int | None = None
    currency: str | None = None
    weight_g: int | None = None
    length_mm: int | None = None
    width_mm: int | None = None
    height_mm: int | None = None
    is_data_bearing: bool | None = None
    tracking: Tracking = Field(default=Tracking.SERIALISED, sa_type=EnumText(Tracking))
    status: ProductStatus = Field(default=ProductStatus.ACTIVE, sa_type=EnumText(ProductStatus))
    data_quality: int | None = None
    data_defects: dict[str, int] | None = Field(default=None, sa_type=Json)
    created_at: datetime = Field(sa_type=UtcDateTime)
    updated_at: datetime = Field(sa_type=UtcDateTime)
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Compatibility(Declared, table=True):
    """`substitute` can stand in for `product`; not the other way round. condition: CEL, NULL means always."""

    __tablename__: ClassVar[str] = "compatibility"
    __table_args__ = (
        UniqueConstraint("product_id", "substitute_id", name="uq_compatibility_pair"),
        CheckConstraint("product_id <> substitute_id", name="not_itself"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    product_id: int = Field(foreign_key="product.id", sa_type=Id)
    substitute_id: int = Field(foreign_key="product.id", index=True, sa_type=Id)
    preference: int = 1
    condition: str | None = None
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class Kit(Declared, table=True):
    """A bill of materials that ships as one. product_id: the device that it is the swap kit of."""

    __tablename__: ClassVar[str] = "kit"

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    name: str = Field(unique=True)
    product_id: int | None = Field(default=None, foreign_key="product.id", index=True, sa_type=Id)
    instructions: str | None = None
    retired_at: datetime | None = Field(default=None, sa_type=UtcDateTime)


class KitComponent(Declared, table=True):
    """One line of a kit."""

    __tablename__: ClassVar[str] = "kit_component"
    __table_args__ = (
        UniqueConstraint("kit_id", "product_id", name="uq_kit_component"),
        CheckConstraint("quantity > 0", name="quantity_positive"),
    )

    id: int | None = Field(default=None, primary_key=True, sa_type=Id)
    kit_id: int = Field(foreign_key="kit.id", sa_type=Id)
    product_id: int = Field(foreign_key="product.id", index=True, sa_type=Id)
    quantity: int = 1
