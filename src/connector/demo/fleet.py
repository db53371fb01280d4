"""A fleet that is made up but real in shape: real places and time zones, real models, the same at every start.

Places are airports' (PyPI `airportsdata`): positions, cities and IANA time zones that can be checked.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cache

import airportsdata

from connector.demo.catalogue import DeviceType, device_types
from connector.model.geo import Point
from connector.model.kinds import HubTier

SEED = 20261125
DEVICES_PER_SITE = (6, 16)

CENTRAL = ("LEJ",)
REGIONAL = ("FRA", "LHR", "MAD", "WAW", "ARN", "JFK", "ORD", "DFW", "LAX", "GRU", "SIN", "NRT", "SYD", "JNB")
LOCAL = ("MUC", "HAM", "CDG", "AMS", "VIE", "MXP", "BOS", "ATL", "SEA", "YYZ", "HKG", "BOM")
SITES = """
BER DUS STR CGN NUE HAJ BRE DRS FMO ZRH GVA BRU LUX LYS MRS TLS NCE BOD NTE LIL BCN VLC AGP SVQ
BIO LIS OPO FCO NAP BLQ VCE TRN CTA MAN BHX EDI GLA BRS NCL LBA DUB ORK CPH AAL BLL OSL BGO TRD
GOT MMX HEL TMP RIX TLL VNO KRK GDN WRO POZ PRG BRQ BTS BUD OTP SOF BEG ZAG LJU ATH SKG IST EWR
PHL BWI IAD CLT MIA MCO TPA BNA CLE DTW PIT CVG IND STL MCI MSP DEN SLC PHX LAS SAN SFO SJC PDX
AUS IAH SAT MSY MEM RDU YUL YVR YYC YOW MEX GDL GIG BSB CWB POA EZE SCL LIM BOG DXB DOH CAI CPT
DUR NBO DEL BLR MAA HYD KUL BKK CGK MNL TPE ICN KIX NGO FUK CTS MEL BNE PER ADL AKL
"""

_COUNTRIES = {
    "Americas": "US CA MX BR AR CL PE CO",
    "APAC": "SG JP AU NZ HK IN MY TH ID PH TW KR",
    "MEA": "ZA AE QA EG KE",
}
REGION_OF = {country: region for region, countries in _COUNTRIES.items() for country in countries.split()}


@dataclass(frozen=True, slots=True)
class Model:
    """A product of the fleet. share: how often it is met. spares: units per hub, by tier."""

    manufacturer: str
    model: str
    asset_class: str
    criticality: str
    cost_cents: int
    weight_g: int
    is_data_bearing: bool
    share: int
    spares: dict[HubTier, int]


_R, _L, _C = HubTier.REGIONAL, HubTier.LOCAL, HubTier.CENTRAL
_COMMON, _SCARCE, _CENTRAL = {_C: 8, _R: 2, _L: 1}, {_C: 4, _R: 1}, {_C: 3}

MODELS = (
    Model("Cisco", "Catalyst 9300-48S", "switch", "tier_1", 612_000, 7_860, False, 9, _COMMON),
    Model("Cisco", "Catalyst 9300-24S", "switch", "tier_1", 398_000, 7_640, False, 7, _COMMON),
    Model("Cisco", "C9200L-24PXG-2Y", "switch", "tier_2", 285_000, 5_440, False, 6, _COMMON),
    Model("Juniper", "EX2300-24P", "switch", "tier_2", 174_000, 4_486, False, 8, _COMMON),
    Model("Juniper", "EX2300-48P", "switch", "tier_2", 248_000, 5_021, False, 6, _COMMON),
    Model("Juniper", "EX3400-48P", "switch", "tier_1", 356_000, 4_758, False, 4, _SCARCE),
    Model("Arista", "DCS-7050SX3-48C8-F", "switch", "tier_1", 1_480_000, 9_525, False, 2, _CENTRAL),
    Model("Cisco", "C8300-1N1S-6T", "router", "tier_1", 520_000, 9_000, False, 6, _SCARCE),
    Model("Cisco", "C881-K9", "router", "tier_2", 89_000, 4_490, False, 5, _COMMON),
    Model("Cisco", "C891F", "router", "tier_2", 112_000, 2_500, False, 4, _COMMON),
    Model("Palo Alto", "PA-220", "firewall", "tier_1", 105_000, 1_360, True, 7, _COMMON),
    Model("Palo Alto", "PA-3410", "firewall", "tier_1", 1_930_000, 7_000, True, 2, _SCARCE),
    Model("Fortinet", "FortiGate 60F", "firewall", "tier_1", 72_000, 1_010, True, 7, _COMMON),
    Model("Fortinet", "FortiGate 100F", "firewall", "tier_1", 264_000, 3_250, True, 4, _SCARCE),
    Model("Cisco", "Catalyst 9130AXI-E", "access_point", "tier_2", 98_000, 1_450, False, 9, _COMMON),
    Model("Cisco", "C9115AXI-E", "access_point", "tier_3", 61_000, 900, False, 9, _COMMON),
    Model("Dell", "PowerEdge R640", "server", "tier_2", 640_000, 21_900, True, 4, _SCARCE),
    Model("Dell", "PowerEdge R740", "server", "tier_2", 780_000, 28_600, True, 3, _CENTRAL),
    Model("Opengear", "OM2216-DDC-L", "console_server", "tier_2", 186_000, 3_500, False, 3, _SCARCE),
    Model("APC", "AP8841", "power", "tier_2", 94_000, 6_840, False, 5, _SCARCE),
    Model("APC", "Smart-UPS SMT1500", "power", "tier_2", 68_000, 24_500, False, 4, _SCARCE),
)

SUBSTITUTES = (
    ("Cisco", "Catalyst 9300-24S", "Cisco", "Catalyst 9300-48S", 1),
    ("Cisco", "C9200L-24PXG-2Y", "Cisco", "Catalyst 9300-24S", 1),
    ("Juniper", "EX2300-24P", "Juniper", "EX2300-48P", 1),
    ("Juniper", "EX2300-48P", "Juniper", "EX3400-48P", 1),
    ("Cisco", "C881-K9", "Cisco", "C891F", 1),
    ("Cisco", "C9115AXI-E", "Cisco", "Catalyst 9130AXI-E", 1),
    ("Fortinet", "FortiGate 60F", "Fortinet", "FortiGate 100F", 1),
    ("Dell", "PowerEdge R640", "Dell", "PowerEdge R740", 1),
)
"""(needed, its substitute, preference): the second stands in for the first, not the other way round."""

COUNTED = (
    ("Generic", "SFP+ 10GBASE-SR optic", "optic", 18_500, 40, {_C: 400, _R: 60, _L: 12}),
    ("Generic", "SFP 1000BASE-T transceiver", "optic", 4_200, 40, {_C: 300, _R: 40, _L: 10}),
    ("Generic", "USB-C dock", "dock", 14_900, 450, {_C: 250, _R: 40, _L: 8}),
    ("Generic", "Rack mounting kit 1U", "accessory", 3_900, 1_200, {_C: 120, _R: 20, _L: 5}),
)
"""(manufacturer, model, asset class, cost in cents, grams, units per tier): bulk items without serial."""


@dataclass(frozen=True, slots=True)
class Place:
    """A site or hub of the fleet. code: the IATA code of the airport whose position it has."""

    code: str
    name: str
    city: str
    country: str
    region: str
    point: Point
    time_zone: str
    tier: HubTier | None = None
    street: str = ""
    postal_code: str = ""


@dataclass(frozen=True, slots=True)
class Device:
    """A device in use at a site, or a spare in a hub."""

    name: str
    serial: str
    asset_tag: str
    model: Model
    place: Place
    is_spare: bool


@dataclass(frozen=True, slots=True)
class Fleet:
    """Everything that the sandbox systems are loaded with."""

    hubs: tuple[Place, ...]
    sites: tuple[Place, ...]
    devices: tuple[Device, ...] = field(repr=False)


@cache
def demo_fleet() -> Fleet:
    """The demo's fleet; building it twice gives the same."""
    chance = random.Random(SEED)  # noqa: S311 - a reproducible choice, not a secret
    airports = airportsdata.load("IATA")
    tiers = ((CENTRAL, HubTier.CENTRAL), (REGIONAL, HubTier.REGIONAL), (LOCAL, HubTier.LOCAL))
    hubs = tuple(
        _place(airports[code], f"{airports[code]['city']} {tier.value} hub", chance, tier)
        for codes, tier in tiers
        for code in codes
    )
    sites = tuple(_place(airports[code], f"{airports[code]['city']} branch", chance) for code in SITES.split())
    return Fleet(hubs=hubs, sites=sites, devices=tuple(_devices(hubs, sites, chance)))


def catalogue_entry(model: Model) -> DeviceType:
    """The model's row in the catalogue. Raises KeyError when the catalogue does not have it."""
    return _catalogue()[model.manufacturer, model.model]


@cache
def _catalogue() -> dict[tuple[str, str], DeviceType]:
    return {(entry.manufacturer, entry.model): entry for entry in device_types()}


def _place(airport: airportsdata.Airport, name: str, chance: random.Random, tier: HubTier | None = None) -> Place:
    return Place(
        code=airport["iata"] if tier is None else f"HUB-{airport['iata']}",
        name=name,
        city=airport["city"],
        country=airport["country"],
        region=REGION_OF.get(airport["country"], "EMEA"),
        point=Point(round(airport["lat"], 6), round(airport["lon"], 6)),
        time_zone=airport["tz"],
        tier=tier,
        street=f"{chance.randint(1, 199)} Airport Road",
        postal_code=f"{chance.randint(10_000, 99_999)}",
    )


def _devices(hubs: tuple[Place, ...], sites: tuple[Place, ...], chance: random.Random) -> Iterator[Device]:
    weights = [model.share for model in MODELS]
    number = 0
    for site in sites:
        for index in range(chance.randint(*DEVICES_PER_SITE)):
            number += 1
            (model,) = chance.choices(MODELS, weights)
            kind = "".join(word[0] for word in model.asset_class.split("_"))
            yield _device(f"{site.code.lower()}-{kind}{index + 1:02}", number, model, site, is_spare=False)
    for hub in hubs:
        for model in MODELS:
            for index in range(model.spares.get(hub.tier or HubTier.CENTRAL, 0)):
                number += 1
                name = f"{hub.code.lower()}-{model.model.lower().replace(' ', '-')}-{index + 1}"
                yield _device(name, number, model, hub, is_spare=True)


def _device(name: str, number: int, model: Model, place: Place, *, is_spare: bool) -> Device:
    return Device(
        name=name,
        serial=f"{model.manufacturer[:2].upper()}{number * 7919 % 10_000_000:07d}",
        asset_tag=f"AT-{number:06d}",
        model=model,
        place=place,
        is_spare=is_spare,
    )
