"""Assets and stock."""

from datetime import date, datetime

import strawberry

from connector.api.schema.fields import column, paged, related
from connector.api.schema.lazy import (
    AnyAsset,
    AnyFieldConflict,
    AnyFieldOverride,
    AnyHub,
    AnyLoan,
    AnyProduct,
    AnyReplenishment,
    AnyReservation,
    AnyRma,
    AnySite,
    AnySource,
    AnyTicket,
)
from connector.api.schema.nodes import Node
from connector.api.schema.paging import Connection
from connector.api.schema.provenance import FieldProvenance, SourceRecord, known_as, origins
from connector.model.kinds import Lane, RelationKind, Tracking
from connector.model.lifecycle import AssetState
from connector.model.refs import EntityKind


@strawberry.type(description="What a source says of a device and another one: a blade in its chassis, a cable.")
class AssetRelation(Node):
    """A relation between devices."""

    kind: RelationKind = column("How the device belongs to the other one.")
    asset: AnyAsset = related("asset", "The device of which it is said.")
    other: AnyAsset | None = related(
        "other", "The other one; null until the hub knows it, and where it lies outside of one's regions."
    )
    source: AnySource = related("source", "The system that says so.")
    external_id: str = column("What that system calls the other one.")
    created_at: datetime = column("When the hub heard of it.")


@strawberry.type(description="One serialised device: at a site, in a hub, or on its way.")
class Asset(Node):
    """An asset."""

    name: str | None = column("Its host name, or whatever it is called.")
    serial: str | None = column("The maker's serial number.")
    asset_tag: str | None = column("Our inventory number.")
    product: AnyProduct | None = related("product", "What it is; null when nobody knows.")
    revision: str | None = column("Revision of the hardware, as its maker writes it; null when nobody knows.")
    warranty_ends_on: date | None = column("The last day of the maker's warranty; null when nobody knows.")
    site: AnySite | None = related("site", "Where it is used.")
    hub: AnyHub | None = related("hub", "Where it is held.")
    state: AssetState = column("Where it is in its life.")
    lane: Lane = column("Which purpose it is kept for.")
    holder: str | None = column("Who has it.")
    url: str | None = column("Its page in the system that it comes from.")
    tickets: Connection[AnyTicket] = paged("ticket", "tickets", "Tickets about it.")
    region: str | None = column("Region of its site, or of its hub where it is at no site; null when nobody knows.")
    reservations: Connection[AnyReservation] = paged("reservation", "reservations", "Claims of it.")
    loans: Connection[AnyLoan] = paged("loan", "loans", "Loans of it, to whom and until when.")
    rmas: Connection[AnyRma] = paged("rma", "rmas", "Its returns after it had failed.")
    relations: Connection[AssetRelation] = paged(
        "asset_relation", "relations", "What it is part of, depends on and is connected to, as its sources say."
    )
    related_from: Connection[AssetRelation] = paged(
        "asset_relation", "related_from", "Relations of other devices to it: its parts, and what depends on it."
    )
    field_conflicts: Connection[AnyFieldConflict] = paged(
        "field_conflict", "field_conflicts", "Its fields of which sources state different values."
    )
    field_overrides: Connection[AnyFieldOverride] = paged(
        "field_override", "field_overrides", "What people said that its fields are, released ones too."
    )
    provenance: list[FieldProvenance] = origins(EntityKind.ASSET, "device", places=("site_id", "hub_id"))
    source_records: list[SourceRecord] = known_as()
    created_at: datetime = column("When the hub first heard of it.")
    updated_at: datetime = column("When the hub last changed it.")
    retired_at: datetime | None = column("When its source deleted it; null while it exists.")
    merged_into: AnyAsset | None = related(
        "merged_into",
        "The device that it turned out to be, with all that hung on this one; null for a device that is one.",
    )


@strawberry.type(description="Units of one product in one hub and lane.")
class Stock(Node):
    """A shelf."""

    hub: AnyHub = related("hub", "Where.")
    product: AnyProduct = related("product", "What.")
    region: str | None = column("Region of the hub; null when nobody knows.")
    lane: Lane = column("Which purpose it is kept for.")
    tracking: Tracking = column("Whether units are told apart by serial.")
    on_hand: int = column("Units on the shelf, claimed ones included.")
    reserved: int = column("Units that are claimed.")
    free: int = column("Units that nobody has claimed.")
    complete_kits: int | None = column(
        "Of the usable units, how many could go with their whole swap kit from the shelves of the same hub and lane; "
        "null for products without a kit."
    )
    usable: int = column("Free units without safety stock and emergency buffer: what any ticket may be given.")
    reorder_point: int | None = column("Free units below which more are wanted.")
    target: int | None = column("Units that there should be.")
    safety_stock: int | None = column(
        "Free units that are kept unless a rule releases safety stock; null when unstated."
    )
    emergency_buffer: int | None = column(
        "Further free units that are kept unless a rule releases the emergency buffer; null when unstated."
    )
    is_low: bool | None = column("Whether fewer units are free than the reorder point; null where there is none.")
    replenishment: AnyReplenishment | None = related(
        "replenishment",
        "The newest replenishment of the shelf, whose state says whether it is open; null when there was none.",
    )
    counted_at: datetime | None = column("When it was last counted by hand.")
    updated_at: datetime = column("When it last changed.")
