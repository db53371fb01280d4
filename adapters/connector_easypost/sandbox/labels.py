"""SANDBOX: labels as files that a viewer and a printer take, with nothing on them but who, where and which number."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import accumulate
from typing import Any

MEDIA = {"PDF": "application/pdf", "ZPL": "application/zpl", "PNG": "image/png"}


def draw(shipment: Mapping[str, Any], file_format: str) -> bytes:
    """The label of a bought shipment. PNG, the default of the real system, is drawn as its first bytes alone."""
    to, number = shipment["to_address"], shipment["tracking_code"]
    town = f"{to.get('zip') or ''} {to.get('city') or ''} {to.get('country') or ''}".strip()
    lines = [str(to.get("name") or ""), str(to.get("street1") or ""), town, number, "SANDBOX - NOT VALID FOR CARRIAGE"]
    match file_format:
        case "ZPL":
            fields = "".join(f"^FO40,{60 * row}^A0N,40^FH^FD{_coded(text)}^FS" for row, text in enumerate(lines, 1))
            return f"^XA^CI28{fields}^FO40,400^BCN,200,Y,N^FD{number}^FS^XZ".encode()
        case "PDF":
            return _pdf(lines)
        case _:
            return b"\x89PNG\r\n\x1a\n"


def _coded(text: str) -> str:
    """`^`, `~` and `_` are commands to a printer (^FH writes them as codes)."""
    return "".join(f"_{ord(sign):02X}" if sign in "^~_" else sign for sign in text)


def _pdf(lines: list[str]) -> bytes:
    """One page of 4 by 6 inches; objects and cross-reference table by ISO 32000-1, section 7.5."""
    shown = [text.encode("cp1252", "replace").translate(None, b"\\()") for text in lines]
    drawn = b"BT /F 12 Tf 18 400 Td 16 TL " + b" ".join(b"(%b) Tj T*" % text for text in shown) + b" ET"
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 288 432]/Contents 4 0 R/Resources<</Font<</F 5 0 R>>>>>>"
    bodies = (
        b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", page,
        b"<</Length %d>>stream\n%b\nendstream" % (len(drawn), drawn),
        b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    )  # fmt: skip
    parts = [b"%PDF-1.4\n", *(b"%d 0 obj%b\nendobj\n" % numbered for numbered in enumerate(bodies, 1))]
    *starts, end = accumulate(len(part) for part in parts)
    table = b"".join(b"%010d 00000 n \n" % start for start in starts)
    size = len(bodies) + 1
    tail = b"xref\n0 %d\n0000000000 65535 f \n%btrailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
    return b"".join(parts) + tail % (size, table, size, end)
