"""Whether goods that go somewhere are declared to customs on the way. Pure.

Source: European Commission, Taxation and Customs Union, Territorial status of EU countries and certain territories.
"""

from __future__ import annotations

from connector.sdk import Address, Invalid, Parcel

UNION = frozenset({
    "AT", "BE", "BG", "CY", "CZ", "DE", "DK", "EE", "ES", "FI", "FR", "GR", "HR", "HU", "IE", "IT", "LT", "LU", "LV",
    "MC", "MT", "NL", "PL", "PT", "RO", "SE", "SI", "SK",
})  # fmt: skip
"""Countries of the customs union of the European Union, and Monaco."""
APART = {
    "DE": ("27498", "78266"), "ES": ("35", "38", "51", "52"), "FI": ("22",), "GR": ("63086",), "IT": ("23041",),
}  # fmt: skip
"""Postal codes of places to which goods are declared though their country is in the union: Helgoland and Büsingen;
the Canaries, Ceuta and Melilla; Åland; Athos; Livigno."""


def territory(at: Address) -> str:
    """Within one of these nothing is declared."""
    country = at.country or ""
    code = (at.postal_code or "").replace(" ", "")
    apart = next((start for start in APART.get(country, ()) if code.startswith(start)), None)
    if apart is not None:
        return f"{country}-{apart}"
    return "EU" if country in UNION else country


def require_no_customs(parcel: Parcel) -> None:
    """Refuse what must be declared: DHL would carry it as documents, if it were told that it needs no declaration.

    Raises Invalid.
    """
    start, end = parcel.sender.address, parcel.recipient.address
    if start.country and end.country and territory(start) != territory(end):
        raise Invalid(
            f"goods from {start.country} to {end.country} are declared to customs, by values and tariff numbers that "
            "the hub does not know",
            operation="ask DHL", fields={"content.exportDeclaration": "is missing"},
            hint="Make the shipment at mydhl.express.dhl and enter its number by hand.",
        )  # fmt: skip
