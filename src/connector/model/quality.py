"""Whether data can be relied on: what is measured, and what each measure counts.

One written definition per measure; `connector.storage.quality` has the one implementation of each. The definitions are
told by the report, the schema and docs/data-quality.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class QualityMeasure(StrEnum):
    """What may be wrong with a record."""

    ASSET_WITHOUT_SERIAL = "asset_without_serial"
    ASSET_OF_UNKNOWN_MODEL = "asset_of_unknown_model"
    ASSET_WITHOUT_PLACE = "asset_without_place"
    ASSET_NOT_CONFIRMED = "asset_not_confirmed"
    DUPLICATE_SERIAL = "duplicate_serial"
    DUPLICATE_ASSET_TAG = "duplicate_asset_tag"
    ASSET_IN_CONFLICT = "asset_in_conflict"
    PRODUCT_NOT_CONFIRMED = "product_not_confirmed"
    SITE_WITHOUT_COORDINATES = "site_without_coordinates"
    SITE_WITHOUT_TIME_ZONE = "site_without_time_zone"
    SITE_WITHOUT_ADDRESS = "site_without_address"
    SITE_IN_CONFLICT = "site_in_conflict"
    STOCK_DISAGREES = "stock_disagrees"
    TICKET_DEVICE_AS_TEXT = "ticket_device_as_text"
    TICKET_SITE_AS_TEXT = "ticket_site_as_text"
    RECORD_IN_QUARANTINE = "record_in_quarantine"
    IDENTITY_IN_REVIEW = "identity_in_review"
    NAME_IN_QUESTION = "name_in_question"


class QualityScope(StrEnum):
    """What measures are broken down by."""

    ALL = "all"
    SOURCE = "source"
    SITE = "site"
    PRODUCT = "product"
    MANUFACTURER = "manufacturer"


class QualityDimension(StrEnum):
    """What data quality is broken down by."""

    SOURCE = "source"
    SITE = "site"
    PRODUCT = "product"
    MANUFACTURER = "manufacturer"

    @property
    def scope(self) -> QualityScope:
        """The same as a scope of measures."""
        return QualityScope(self.value)


@dataclass(frozen=True, slots=True)
class Definition:
    """What a measure counts. title: in a few words. counts: the records with the defect; of: those it is held against.

    without: what is left out on both sides. entity: what the records are. scores: whether the defect counts against the
    score of its product and site. mend: what a person does about it.
    """

    title: str
    counts: str
    of: str
    without: str
    entity: str
    scores: bool
    mend: str


_LIVE_DEVICES = "Devices that exist: not retired, disposed of, lost, or deleted by their source."

DEFINITIONS: Final[Mapping[QualityMeasure, Definition]] = {
    QualityMeasure.ASSET_WITHOUT_SERIAL: Definition(
        title="devices without serial",
        counts="Devices of which nobody has stated a serial.",
        of=_LIVE_DEVICES,
        without="Devices that are still on order, and those of products whose units are only counted.",
        entity="asset",
        scores=True,
        mend="State the serial in the CMDB or the inventory.",
    ),
    QualityMeasure.ASSET_OF_UNKNOWN_MODEL: Definition(
        title="devices of an unknown model",
        counts="Devices without product, or with one that nobody confirms: see `product_not_confirmed`.",
        of=_LIVE_DEVICES,
        without="Nothing.",
        entity="asset",
        scores=True,
        mend="Put the model into a catalogue that is a source, or make its name one for a product that is there.",
    ),
    QualityMeasure.ASSET_WITHOUT_PLACE: Definition(
        title="devices at no site and in no hub",
        counts="Devices that should be somewhere, and are at no site and in no hub.",
        of="Devices that are deployed, in stock, reserved, quarantined, being wiped or inspected.",
        without="Devices on order, on their way, in repair, at the vendor, retired, disposed of or lost.",
        entity="asset",
        scores=True,
        mend="State site or hub in the source of the device, with a name that is known.",
    ),
    QualityMeasure.ASSET_NOT_CONFIRMED: Definition(
        title="devices that no source confirms any more",
        counts="Devices that no source has which was read with success within `quality.unconfirmed_days`.",
        of=_LIVE_DEVICES,
        without="Nothing.",
        entity="asset",
        scores=True,
        mend="See to the source that knows them, or retire them.",
    ),
    QualityMeasure.DUPLICATE_SERIAL: Definition(
        title="devices that share a serial",
        counts="Devices whose serial another one of the same manufacturer has as well; unknown makers count as one.",
        of="Devices that exist and have a serial.",
        without="Devices without serial.",
        entity="asset",
        scores=True,
        mend="Correct the serial of one of them, or retire the one that does not exist.",
    ),
    QualityMeasure.DUPLICATE_ASSET_TAG: Definition(
        title="devices that share an asset tag",
        counts="Devices whose asset tag another one has as well.",
        of="Devices that exist and have an asset tag.",
        without="Devices without asset tag.",
        entity="asset",
        scores=True,
        mend="Give one of them another tag, or retire the one that does not exist.",
    ),
    QualityMeasure.ASSET_IN_CONFLICT: Definition(
        title="devices of which sources say different things",
        counts="Devices with a field of which sources that have them state different values.",
        of="Devices that exist and that more than one source has.",
        without="Fields that a person has overridden.",
        entity="asset",
        scores=False,
        mend="Correct the field in the source that is wrong, or override it.",
    ),
    QualityMeasure.PRODUCT_NOT_CONFIRMED: Definition(
        title="products that no catalogue confirms",
        counts="Products that came up by name alone: no source has them in its catalogue, no alias stands for them.",
        of="Products that are not deleted.",
        without="Nothing.",
        entity="product",
        scores=True,
        mend="Put the model into a catalogue that is a source, or make its name one for a product that is there.",
    ),
    QualityMeasure.SITE_WITHOUT_COORDINATES: Definition(
        title="sites without coordinates",
        counts="Sites without latitude or longitude.",
        of="Sites that are not deleted.",
        without="Nothing.",
        entity="site",
        scores=True,
        mend="State latitude and longitude in the source of the site.",
    ),
    QualityMeasure.SITE_WITHOUT_TIME_ZONE: Definition(
        title="sites without time zone",
        counts="Sites without time zone, whose hours are counted in the policy's default.",
        of="Sites that are not deleted.",
        without="Nothing.",
        entity="site",
        scores=True,
        mend="State the IANA time zone in the source of the site.",
    ),
    QualityMeasure.SITE_WITHOUT_ADDRESS: Definition(
        title="sites without address",
        counts="Sites whose address lacks a first line or a town, so that no label can be made.",
        of="Sites that are not deleted.",
        without="Nothing.",
        entity="site",
        scores=True,
        mend="State street and town in the source of the site.",
    ),
    QualityMeasure.SITE_IN_CONFLICT: Definition(
        title="sites of which sources say different things",
        counts="Sites with a field of which sources that have them state different values.",
        of="Sites that are not deleted and that more than one source has.",
        without="Fields that a person has overridden.",
        entity="site",
        scores=False,
        mend="Correct the field in the source that is wrong, or override it.",
    ),
    QualityMeasure.STOCK_DISAGREES: Definition(
        title="shelves whose book disagrees with their units",
        counts="Shelves of serialised units with another number on hand than units in stock or reserved there.",
        of="Shelves of serialised products.",
        without="Products whose units are only counted.",
        entity="stock",
        scores=True,
        mend="Count the shelf, and correct the units or the book.",
    ),
    QualityMeasure.TICKET_DEVICE_AS_TEXT: Definition(
        title="tickets whose device is a text",
        counts="Tickets that name their device by a text that no device is known by.",
        of="Open tickets that name a device.",
        without="Tickets that are resolved, closed, cancelled or deleted, and those that name no device.",
        entity="ticket",
        scores=False,
        mend="Choose the device in the ticket, or state in the CMDB what the ticket calls it.",
    ),
    QualityMeasure.TICKET_SITE_AS_TEXT: Definition(
        title="tickets whose site is a text",
        counts="Tickets that name their site by a text that no site is known by, and whose device is at none either.",
        of="Open tickets that name a site.",
        without="Tickets that are resolved, closed, cancelled or deleted, and those that name no site.",
        entity="ticket",
        scores=False,
        mend="Choose the site in the ticket, or give the site the name that the ticket uses.",
    ),
    QualityMeasure.RECORD_IN_QUARANTINE: Definition(
        title="records in quarantine",
        counts="Records of sources that could not be used and wait for a person, or for what they refer to.",
        of="Things that sources have, and records in quarantine.",
        without="Entries that are settled, and what sources have deleted.",
        entity="quarantine",
        scores=False,
        mend="`connector quarantine show` tells what is wrong with a record; correct it at its source.",
    ),
    QualityMeasure.IDENTITY_IN_REVIEW: Definition(
        title="records that nobody knows whose they are",
        counts="Records of devices that match several devices, and wait for a person to say which one.",
        of="Devices that sources have, and records in review.",
        without="Reviews that are decided, and what sources have deleted.",
        entity="identity_review",
        scores=False,
        mend="Decide the review: which device the record is about, or that it is a new one.",
    ),
    QualityMeasure.NAME_IN_QUESTION: Definition(
        title="names that may stand for what is known by another",
        counts="Suggestions of aliases that nobody has accepted or rejected.",
        of="Products and sites that are not deleted, and such suggestions.",
        without="Suggestions that are decided.",
        entity="alias_suggestion",
        scores=False,
        mend="Accept or reject the suggestion.",
    ),
}
"""Every measure with what it counts, in the order in which they are told."""

FLAWLESS_PERCENT: Final = 100


def percent_of(defects: int, records: int) -> int | None:
    """Whole percent of records without a defect, rounded down, so that 100 means none; None where there are none."""
    return None if records == 0 else FLAWLESS_PERCENT * (records - defects) // records
