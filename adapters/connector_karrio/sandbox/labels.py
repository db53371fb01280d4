"""SANDBOX: draws labels of 4 by 6 inches, as PDF and as ZPL, with a bar code that scans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

WIDTH, HEIGHT = 288, 432
"""Points: 4 by 6 inches."""
DIGITS = ("nnwwn", "wnnnw", "nwnnw", "wwnnn", "nnwnw", "wnwnn", "nwwnn", "nnnww", "wnnwn", "nwnwn")
"""Interleaved 2 of 5 (ISO/IEC 16390): which of a digit's five elements are wide."""
NARROW, WIDE = 1.2, 3.0


def draw(shipment: Mapping[str, Any], label_type: str) -> bytes:
    """The label of a bought shipment."""
    return _zpl(shipment) if label_type == "ZPL" else _pdf(shipment)


def bars(digits: str) -> list[tuple[float, float]]:
    """Start and width of each bar, for an even number of digits."""
    elements = list("nnnn")
    for first, second in zip(digits[::2], digits[1::2], strict=True):
        for bar, space in zip(DIGITS[int(first)], DIGITS[int(second)], strict=True):
            elements += [bar, space]
    elements += list("wnn")
    found: list[tuple[float, float]] = []
    at = 0.0
    for number, element in enumerate(elements):
        width = WIDE if element == "w" else NARROW
        if number % 2 == 0:
            found.append((round(at, 2), width))
        at += width
    return found


def _lines(shipment: Mapping[str, Any]) -> list[tuple[int, int, int, str]]:
    """x, distance from the top, size, text."""
    lines = [(18, 30, 9, "FROM")]
    lines += [(18, 44 + 12 * n, 10, text) for n, text in enumerate(_address(shipment["shipper"]))]
    lines.append((18, 130, 9, "TO"))
    lines += [(18, 148 + 16 * n, 14, text) for n, text in enumerate(_address(shipment["recipient"]))]
    rate = shipment["selected_rate"]
    lines.append((18, 262, 12, f"{rate['carrier_name']}  {rate['meta']['service_name']}"))
    lines.append((18, 280, 10, f"Reference {shipment.get('reference') or '-'}"))
    lines.append((18, 396, 12, f"Tracking {shipment['tracking_number']}"))
    lines.append((18, 416, 8, "SANDBOX LABEL - NOT VALID FOR CARRIAGE"))
    return lines


def _address(party: Mapping[str, Any]) -> list[str]:
    town = " ".join(str(party[name]) for name in ("postal_code", "city") if party.get(name))
    lines = [party.get("person_name"), party.get("company_name"), party.get("address_line1"), town]
    return [*(str(line) for line in lines if line), str(party["country_code"])]


def _pdf(shipment: Mapping[str, Any]) -> bytes:
    """One page with a standard font, objects and cross-reference table by ISO 32000-1, section 7.5."""
    drawn = [b"0 G 1 w 10 10 268 412 re S 10 312 m 278 312 l S 10 186 m 278 186 l S"]
    drawn += [
        b"BT /F1 %d Tf %d %d Td (%b) Tj ET" % (size, x, HEIGHT - top, _escaped(text))
        for x, top, size, text in _lines(shipment)
    ]
    drawn += [b"%.2f 50 %.2f 84 re f" % (24 + at, width) for at, width in bars(shipment["tracking_number"])]
    content = b"\n".join(drawn)
    objects = [
        b"<< /Type /Catalog /Pages 2 0 R >>",
        b"<< /Type /Pages /Kids [3 0 R] /Count 1 >>",
        b"<< /Type /Page /Parent 2 0 R /MediaBox [0 0 %d %d] /Contents 4 0 R"
        b" /Resources << /Font << /F1 5 0 R >> >> >>" % (WIDTH, HEIGHT),
        b"<< /Length %d >>\nstream\n%b\nendstream" % (len(content), content),
        b"<< /Type /Font /Subtype /Type1 /BaseFont /Helvetica /Encoding /WinAnsiEncoding >>",
    ]
    document = b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n"
    offsets: list[int] = []
    for number, body in enumerate(objects, 1):
        offsets.append(len(document))
        document += b"%d 0 obj\n%b\nendobj\n" % (number, body)
    start = len(document)
    document += b"xref\n0 %d\n0000000000 65535 f \n" % (len(objects) + 1)
    document += b"".join(b"%010d 00000 n \n" % offset for offset in offsets)
    return document + b"trailer\n<< /Size %d /Root 1 0 R >>\nstartxref\n%d\n%%%%EOF\n" % (len(objects) + 1, start)


def _escaped(text: str) -> bytes:
    plain = text.encode("cp1252", errors="replace")
    return plain.replace(b"\\", b"\\\\").replace(b"(", b"\\(").replace(b")", b"\\)")


def _zpl(shipment: Mapping[str, Any]) -> bytes:
    """203 dots to the inch; `^` and `~` of texts are written as their codes (^FH)."""
    scale = 203 / 72
    fields = [
        f"^FO{x * scale:.0f},{top * scale:.0f}^A0N,{size * scale:.0f}^FH^FD{_zpl_text(text)}^FS"
        for x, top, size, text in _lines(shipment)
    ]
    code = f"^FO60,{300 * scale:.0f}^BY3^B2N,220,N,N^FD{shipment['tracking_number']}^FS"
    return "\n".join(["^XA", "^CI28", *fields, code, "^XZ", ""]).encode()


def _zpl_text(text: str) -> str:
    return "".join(f"_{ord(sign):02X}" if sign in "^~_" else sign for sign in text)
