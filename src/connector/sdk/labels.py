"""Labels for parcels that no vendor makes one for, on paper of 4 by 6 inches, as PDF or ZPL. Pure.

Whoever holds the parcel reads where it goes; a phone or a scanner reads the code. Labels of sandboxes are drawn by
`connector.sdk.testing.draw_label`.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from textwrap import wrap
from typing import Final, TypeAlias

import segno

from connector.model.kinds import LabelFormat
from connector.sdk.pdf import CHARACTER_WIDTH, Page

WIDTH_MM: Final = 101.6
HEIGHT_MM: Final = 152.4
_MARGIN_MM: Final = 5.0
_CODE_TOP_MM: Final = 104.0
_CODE_MM: Final = 42.0
_RIGHT_MM: Final = _MARGIN_MM + _CODE_MM + 3
_SMALLEST_MM: Final = 2.0
LINE_HEIGHT: Final = 1.25
"""From one line to the next, in shares of its size."""

Matrix: TypeAlias = Sequence[Sequence[int]]


@dataclass(frozen=True, slots=True)
class Label:
    """What stands on a label.

    number: letters and digits, as scanners read it. code: what phones find in the square, for example an address.
    sender, recipient, remarks: lines for people; where they are many they are written smaller.
    stamp: in bold letters above all, such as RETURN; empty for none. hint: what the square is for.
    """

    carrier: str
    service: str
    number: str
    code: str
    sender: tuple[str, ...]
    recipient: tuple[str, ...]
    remarks: tuple[str, ...] = ()
    stamp: str = ""
    hint: str = ""


@dataclass(frozen=True, slots=True)
class _Line:
    """A line of text. top: of its letters; lengths in millimetres."""

    left: float
    top: float
    size: float
    text: str
    is_bold: bool

    @property
    def bottom(self) -> float:
        """Where the next line begins."""
        return self.top + self.size * LINE_HEIGHT


def draw_label(label: Label, label_format: LabelFormat, *, dots_per_mm: int = 8) -> bytes:
    """The file. dots_per_mm: of a printer that reads ZPL: 8 (203 dpi), 12 (300 dpi)."""
    lines, rules = _layout(label)
    if label_format is LabelFormat.ZPL:
        return _zpl(label, lines, rules, dots_per_mm)
    return _pdf(label, lines, rules)


def zpl_text(text: str) -> str:
    """A text for a field that begins with ^FH: what is a command to a printer is written as a code."""
    shown = "".join(sign if sign.isprintable() else " " for sign in text)
    return "".join(f"_{ord(sign):02X}" if sign in "^~_" else sign for sign in shown)


def spaced(number: str) -> str:
    """A number as people read it aloud: its letters, then its digits in groups of four."""
    digits = number.lstrip(ascii_uppercase)
    letters = number[: len(number) - len(digits)]
    return " ".join(filter(None, (letters, *(digits[start : start + 4] for start in range(0, len(digits), 4)))))


def _layout(label: Label) -> tuple[list[_Line], list[float]]:
    """Lines of text, and where rules go across the label."""
    lines: list[_Line] = []
    rules: list[float] = []
    top, across = _MARGIN_MM, WIDTH_MM - 2 * _MARGIN_MM
    blocks = (
        ((label.stamp,), 7.0, 8.8, True), ((label.carrier,), 5.0, 6.3, True), ((label.service,), 4.0, 5.0, False), None,
        (("From", *label.sender), 2.6, 19.5, False), None, (("To",), 2.6, 3.3, False),
        (label.recipient, 4.4, 38.5, True), None, (label.remarks, 2.8, 10.5, False),
    )  # fmt: skip
    for block in blocks:
        if block is None:
            rules.append(top + 0.5)
            top += 2.0
            continue
        texts, size, height, is_bold = block
        lines += _fitted(texts, size, (_MARGIN_MM, top), (across, height), is_bold=is_bold)
        top = max((line.bottom for line in lines), default=top)
    beside = WIDTH_MM - _RIGHT_MM - _MARGIN_MM
    lines += _fitted((spaced(label.number),), 3.6, (_RIGHT_MM, _CODE_TOP_MM), (beside, 9.0), is_bold=True)
    lines += _fitted((label.hint,), 2.6, (_RIGHT_MM, _CODE_TOP_MM + 11), (beside, 14.0), is_bold=False)
    return lines, rules


def _fitted(
    texts: Sequence[str], size: float, corner: tuple[float, float], room: tuple[float, float], *, is_bold: bool
) -> list[_Line]:
    """Texts as lines in a room of width and height, smaller where they would not fit; of far too many the last go."""
    left, top = corner
    width, height = room
    while True:
        wrapped = [line for text in texts for line in wrap(text, int(width / (size * CHARACTER_WIDTH)))]
        most = int(height / (size * LINE_HEIGHT))
        if len(wrapped) <= most or size <= _SMALLEST_MM:
            break
        size = max(size - 0.2, _SMALLEST_MM)
    step = size * LINE_HEIGHT
    return [_Line(left, top + step * row, size, text, is_bold) for row, text in enumerate(wrapped[:most])]


def _matrix(code: str) -> Matrix:
    return tuple(tuple(row) for row in segno.make(code, error="m", micro=False).matrix)


def _pdf(label: Label, lines: Sequence[_Line], rules: Sequence[float]) -> bytes:
    page = Page(WIDTH_MM, HEIGHT_MM)
    for line in lines:
        page.text(line.left, line.top + line.size * 0.8, line.size, line.text, bold=line.is_bold)
    for rule in rules:
        page.box(_MARGIN_MM, rule, WIDTH_MM - 2 * _MARGIN_MM, 0.4)
    matrix = _matrix(label.code)
    module = _CODE_MM / len(matrix)
    for number, row in enumerate(matrix):
        for start, length in _runs(row):
            page.box(_MARGIN_MM + start * module, _CODE_TOP_MM + number * module, length * module, module)
    return page.document()


def _runs(row: Sequence[int]) -> Iterator[tuple[int, int]]:
    """Where dark modules begin, and how many are side by side."""
    start = None
    for place, is_dark in enumerate((*row, 0)):
        if is_dark and start is None:
            start = place
        elif not is_dark and start is not None:
            yield start, place - start
            start = None


def _zpl(label: Label, lines: Sequence[_Line], rules: Sequence[float], dots: int) -> bytes:
    """^CI28: UTF-8. The printer draws the codes itself: ^BQ a square, ^BC bars (Code 128)."""
    parts = [f"^XA^CI28^PW{round(WIDTH_MM * dots)}^LL{round(HEIGHT_MM * dots)}"]
    for line in lines:
        high = round(line.size * dots)
        wide = round(line.size * CHARACTER_WIDTH * dots * (1 if line.is_bold else 0.9))
        at = f"^FO{round(line.left * dots)},{round(line.top * dots)}"
        parts.append(f"{at}^A0N,{high},{wide}^FH^FD{zpl_text(line.text)}^FS")
    across = round((WIDTH_MM - 2 * _MARGIN_MM) * dots)
    parts += [f"^FO{round(_MARGIN_MM * dots)},{round(rule * dots)}^GB{across},3,3^FS" for rule in rules]
    modules = len(_matrix(label.code))
    size = max(1, min(10, int(_CODE_MM * dots / modules)))
    parts.append(f"^FO{round(_MARGIN_MM * dots)},{round(_CODE_TOP_MM * dots)}")
    parts.append(f"^BQN,2,{size}^FH^FDMA,{zpl_text(label.code)}^FS")
    bars = f"^FO{round(_RIGHT_MM * dots)},{round((_CODE_TOP_MM + 26) * dots)}"
    parts.append(f"{bars}^BY{dots // 4}^BCN,{15 * dots},N,N,N,A^FD{label.number}^FS^XZ")
    return "".join(parts).encode()
