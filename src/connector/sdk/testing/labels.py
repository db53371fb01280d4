"""Labels as sandboxes of couriers draw them: files that a viewer and a printer take, with a few lines on them."""

from __future__ import annotations

from collections.abc import Sequence

from connector.model.kinds import LabelFormat
from connector.sdk.labels import zpl_text
from connector.sdk.pdf import Page

NOT_VALID = "SANDBOX - NOT VALID FOR CARRIAGE"


def draw_label(lines: Sequence[str], number: str, label_format: LabelFormat) -> bytes:
    """A label with who and where, the tracking number, and that it is good for nothing."""
    shown = [*lines, number, NOT_VALID]
    if label_format is LabelFormat.ZPL:
        fields = "".join(f"^FO40,{60 * row}^A0N,40^FH^FD{zpl_text(text)}^FS" for row, text in enumerate(shown, 1))
        return f"^XA^CI28{fields}^FO40,400^BCN,200,Y,N^FD{number}^FS^XZ".encode()
    page = Page(101.6, 152.4)
    for row, text in enumerate(shown, 1):
        page.text(6, 6 * row, 4, text)
    return page.document()
