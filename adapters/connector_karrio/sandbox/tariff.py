"""SANDBOX: what the sandbox's carriers ask for a parcel, by zones of distance as real couriers have them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import ROUND_HALF_UP, Decimal
from typing import Any

CURRENCY = "EUR"
NEAR = {
    frozenset(group)
    for group in (
        ("AT", "BE", "CH", "CZ", "DE", "DK", "ES", "FI", "FR", "GB", "IE", "IT", "LU", "NL", "NO", "PL", "PT", "SE"),
        ("US", "CA", "MX"),
        ("AU", "NZ"),
        ("JP", "KR", "SG", "HK", "TW"),
    )
}
"""Countries that are near to one another."""
GRAMS = {"KG": Decimal(1000), "G": Decimal(1), "LB": Decimal("453.59237"), "OZ": Decimal("28.349523125")}


@dataclass(frozen=True, slots=True)
class Service:
    """What a carrier offers. transit_days: by zone, from the first; a zone beyond them is not served."""

    carrier: str
    code: str
    base: Decimal
    per_kg: Decimal
    transit_days: tuple[int, ...]


SERVICES = (
    Service("sandpost", "sandpost_parcel", Decimal("4.90"), Decimal("0.55"), (2, 2, 3, 5, 8)),
    Service("sandpost", "sandpost_priority", Decimal("9.50"), Decimal("0.80"), (1, 1, 2, 3, 6)),
    Service("sandexpress", "sandexpress_overnight", Decimal("19.90"), Decimal("1.25"), (1, 1, 1, 2, 3)),
    Service("sandexpress", "sandexpress_same_day", Decimal("39.00"), Decimal("2.00"), (0, 0)),
)
CARRIERS = tuple(sorted({service.carrier for service in SERVICES}))
ZONE_FACTORS = (Decimal("1"), Decimal("1.10"), Decimal("1.35"), Decimal("2.20"), Decimal("3.75"))


def zone(shipper: Mapping[str, Any], recipient: Mapping[str, Any]) -> int:
    """1 same town, 2 same part of the country, 3 same country, 4 near country, 5 far."""
    if shipper["country_code"] != recipient["country_code"]:
        pair = {shipper["country_code"], recipient["country_code"]}
        return 4 if any(pair <= group for group in NEAR) else 5
    towns = {str(each.get("city") or "").casefold() for each in (shipper, recipient)}
    if len(towns) == 1 and towns != {""}:
        return 1
    codes = [str(each.get("postal_code") or "") for each in (shipper, recipient)]
    return 2 if codes[0] and codes[0][:1] == codes[1][:1] else 3


def offers(body: Mapping[str, Any], new_id: Any) -> list[dict[str, Any]]:
    """Rates for a request, as Karrio writes them: money as floats."""
    distance = zone(body["shipper"], body["recipient"])
    kilograms = sum(
        (Decimal(str(each["weight"])) * GRAMS[each["weight_unit"]] / 1000 for each in body["parcels"]), Decimal(0)
    )
    wanted = body.get("carrier_ids") or CARRIERS
    return [
        _rate(service, distance, kilograms, new_id("rat"))
        for service in SERVICES
        if service.carrier in wanted and distance <= len(service.transit_days)
    ]


def _rate(service: Service, distance: int, kilograms: Decimal, number: str) -> dict[str, Any]:
    charge = (service.base + service.per_kg * kilograms) * ZONE_FACTORS[distance - 1]
    total = float(charge.quantize(Decimal("0.01"), ROUND_HALF_UP))
    name = service.code.replace("_", " ").upper()
    return {
        "id": number, "object_type": "rate", "carrier_name": service.carrier, "carrier_id": service.carrier,
        "currency": CURRENCY, "service": service.code, "total_charge": total,
        "transit_days": service.transit_days[distance - 1],
        "extra_charges": [{"name": "Base Charge", "amount": total, "currency": CURRENCY, "id": None}],
        "estimated_delivery": None, "meta": {"service_name": name, "rate_provider": service.carrier}, "test_mode": True,
    }  # fmt: skip
