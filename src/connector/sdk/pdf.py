"""One page of PDF with text in Courier and filled rectangles: what labels need, and no more.

The fonts are among the 14 that every viewer brings, so none is embedded. Viewers have the letters of Western Europe in
them, and accents by themselves; a letter with another accent is therefore drawn as the letter and the accent in one
place, as all letters of Courier are equally wide. What is not written in Latin script is drawn as a question mark.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator, Mapping
from itertools import accumulate
from typing import Final

POINTS_PER_MM: Final = 72 / 25.4
CHARACTER_WIDTH: Final = 0.6
"""Of Courier, in shares of its size."""
_ADDED: Final = ("Lslash", "lslash", "dotlessi", "caron", "breve", "dotaccent", "ring", "ogonek", "hungarumlaut")
"""Glyphs of every font that WinAnsiEncoding has no code for: they get those from 1 on."""
_CODES: Final[Mapping[str, int]] = {"Ł": 1, "ł": 2, "ı": 3, "Đ": 0xD0}
_ABOVE: Final[Mapping[str, int]] = {
    "\u0300": 0x60, "\u0301": 0xB4, "\u0302": 0x88, "\u0303": 0x98, "\u0304": 0xAF, "\u0306": 5, "\u0307": 6,
    "\u0308": 0xA8, "\u030a": 7, "\u030b": 9, "\u030c": 4,
}  # fmt: skip
"""Accents above a letter, by their combining characters."""
_BELOW: Final[Mapping[str, tuple[int, float]]] = {
    "\u0323": (ord("."), -0.2), "\u0326": (ord(","), -0.2), "\u0327": (0xB8, 0), "\u0328": (8, 0),
}  # fmt: skip
"""Those below it, and how much higher than by themselves they stand, in shares of the size."""
_STROKED: Final[Mapping[str, str]] = {"đ": "d\u0304", "ħ": "h\u0304"}
"""What crosses the stem of these is as high as a macron."""
_OVER_CAPITALS: Final = 0.14
_OVER_ACCENTS: Final = 0.13


class Page:
    """A page that is drawn on from above; lengths in millimetres from its upper left corner."""

    def __init__(self, width: float, height: float) -> None:
        self._width, self._height = width, height
        self._drawn: list[bytes] = []

    def text(self, left: float, baseline: float, size: float, text: str, *, bold: bool = False) -> None:
        """A line of text. size: of its letters, in millimetres."""
        signs = unicodedata.normalize("NFC", text)
        self._write(left, baseline, size, bytes(_base(sign) for sign in signs), bold=bold)
        for place, sign in enumerate(signs):
            for code, raised in _accents(sign):
                at = left + place * CHARACTER_WIDTH * size
                self._write(at, baseline - raised * size, size, bytes([code]), bold=bold)

    def box(self, left: float, top: float, width: float, height: float) -> None:
        """A black rectangle."""
        corner = (left, self._height - top - height)
        self._drawn.append(b"%.3f %.3f %.3f %.3f re f" % tuple(n * POINTS_PER_MM for n in (*corner, width, height)))

    def document(self) -> bytes:
        """The file; objects and cross-reference table by ISO 32000-1, section 7.5."""
        drawn = b"\n".join(self._drawn)
        paper = (self._width * POINTS_PER_MM, self._height * POINTS_PER_MM)
        names = "".join(f"/{name}" for name in _ADDED).encode()
        page = (
            b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 %.2f %.2f]/Contents 4 0 R/Resources<</Font<</R 6 0 R/B 7 0 R>>>>>>"
        )
        font = b"<</Type/Font/Subtype/Type1/BaseFont/%b/Encoding 5 0 R>>"
        bodies = (
            b"<</Type/Catalog/Pages 2 0 R>>", b"<</Type/Pages/Kids[3 0 R]/Count 1>>", page % paper,
            b"<</Length %d>>stream\n%b\nendstream" % (len(drawn), drawn),
            b"<</Type/Encoding/BaseEncoding/WinAnsiEncoding/Differences[1%b]>>" % names, font % b"Courier",
            font % b"Courier-Bold",
        )  # fmt: skip
        parts = [b"%PDF-1.4\n", *(b"%d 0 obj%b\nendobj\n" % numbered for numbered in enumerate(bodies, 1))]
        *starts, end = accumulate(len(part) for part in parts)
        table = b"".join(b"%010d 00000 n \n" % start for start in starts)
        size = len(bodies) + 1
        tail = b"xref\n0 %d\n0000000000 65535 f \n%btrailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF\n"
        return b"".join(parts) + tail % (size, table, size, end)

    def _write(self, left: float, baseline: float, size: float, codes: bytes, *, bold: bool) -> None:
        font, shown = "B" if bold else "R", codes.hex()
        points, x, y = (length * POINTS_PER_MM for length in (size, left, self._height - baseline))
        self._drawn.append(f"BT /{font} {points:.2f} Tf {x:.2f} {y:.2f} Td <{shown}> Tj ET".encode())


def _base(sign: str) -> int:
    """The code of a character, without the accents that it has no code with."""
    code = _code(sign)
    if code is not None:
        return code
    base, marks = _parts(sign)
    if base == "i" and any(mark in _ABOVE for mark in marks):
        return _CODES["ı"]
    return _code(base) or ord("?")


def _accents(sign: str) -> Iterator[tuple[int, float]]:
    """What is drawn over the code of a character, and how much higher."""
    if _code(sign) is not None:
        return
    base, marks = _parts(sign)
    raised = _OVER_CAPITALS if base.isupper() else 0
    for mark in marks:
        if mark in _ABOVE:
            yield _ABOVE[mark], raised
            raised += _OVER_ACCENTS
        elif mark in _BELOW:
            yield _BELOW[mark]


def _code(sign: str) -> int | None:
    if sign in _CODES:
        return _CODES[sign]
    if not sign.isprintable():
        return ord(" ")
    try:
        return sign.encode("cp1252")[0]
    except UnicodeEncodeError:
        return None


def _parts(sign: str) -> tuple[str, str]:
    decomposed = unicodedata.normalize("NFD", _STROKED.get(sign, sign))
    return decomposed[0], decomposed[1:]
