from __future__ import annotations

import re
from dataclasses import replace

import pytest
import segno

from connector.sdk import LabelFormat
from connector.sdk.labels import Label, draw_label, spaced
from connector.sdk.pdf import Page

LABEL = Label(
    carrier="Van Berlin",
    service="same day",
    number="VAN48120394857217",
    code="https://hub.example.com/webhooks/van?parcel=VAN48120394857217&proof=00ff_~^",
    sender=("Depot Berlin", "Depotweg 1", "12099 Berlin"),
    recipient=("Site Potsdam", "Am Ufer 2", "14467 Potsdam"),
    remarks=("INC-1001", "4.5 kg"),
    hint="Scan me.",
)
WRITTEN = re.compile(rb"BT /([BR]) ([\d.]+) Tf ([\d.]+) ([\d.]+) Td <([0-9a-f]+)> Tj ET")
POINTS_PER_MM = 72 / 25.4


def written(document: bytes) -> list[tuple[float, float, float, bytes]]:
    """Size, place from the lower left corner, and codes of each text."""
    return [
        (float(size), float(x), float(y), bytes.fromhex(codes.decode()))
        for _, size, x, y, codes in WRITTEN.findall(document)
    ]


def test_every_object_is_where_the_table_says() -> None:
    document = draw_label(LABEL, LabelFormat.PDF)

    table = int(document.rsplit(b"startxref\n", 1)[1].split()[0])
    count = int(document[table:].split()[2])
    offsets = [int(line[:10]) for line in document[table:].splitlines()[3 : count + 2]]
    assert document[table:].startswith(b"xref\n0 8\n")
    assert [document[at:].split(b" obj", 1)[0] for at in offsets] == [b"%d 0" % number for number in range(1, count)]


def test_a_page_is_four_by_six_inches_and_the_drawing_is_as_long_as_it_says() -> None:
    document = draw_label(LABEL, LabelFormat.PDF)

    assert b"/MediaBox[0 0 288.00 432.00]" in document
    length, rest = document.split(b"<</Length ", 1)[1].split(b">>stream\n", 1)
    assert rest[int(length) :].startswith(b"\nendstream")


def test_what_stands_on_it_comes_from_above_in_its_order() -> None:
    drawn = [(y, codes.decode()) for _, _, y, codes in written(draw_label(LABEL, LabelFormat.PDF))]

    left = [text for _, text in sorted(drawn, reverse=True)]
    assert left == [
        "Van Berlin", "same day", "From", "Depot Berlin", "Depotweg 1", "12099 Berlin", "To", "Site Potsdam",
        "Am Ufer 2", "14467 Potsdam", "INC-1001", "4.5 kg", "VAN 4812 0394 8572 17", "Scan me.",
    ]  # fmt: skip


def test_the_square_has_the_dark_modules_of_its_code() -> None:
    matrix = segno.make(LABEL.code, error="m", micro=False).matrix
    size = 42.0 / len(matrix) * POINTS_PER_MM
    boxes = re.findall(rb"([\d.]+) ([\d.]+) ([\d.]+) ([\d.]+) re f", draw_label(LABEL, LabelFormat.PDF))
    drawn = [[0] * len(matrix) for _ in matrix]
    for x, y, width, height in (tuple(map(float, box)) for box in boxes):
        if abs(height - size) < 0.01:
            row = round(((152.4 - 104.0) * POINTS_PER_MM - y - height) / size)
            start = round((x - 5 * POINTS_PER_MM) / size)
            for place in range(start, start + round(width / size)):
                drawn[row][place] = 1

    assert drawn == [list(row) for row in matrix]


def test_a_letter_that_viewers_lack_is_drawn_with_its_accent_in_the_same_place() -> None:
    page = Page(100, 100)
    page.text(10, 50, 10, "aŻć")

    letters, dot, acute = written(page.document())
    width = 0.6 * 10 * POINTS_PER_MM
    assert letters == (28.35, 28.35, 141.73, b"aZc")
    assert (dot[3], dot[1], dot[2]) == (b"\x06", pytest.approx(28.35 + width, abs=0.02), pytest.approx(145.7, abs=0.02))
    assert (acute[3], acute[1], acute[2]) == (b"\xb4", pytest.approx(28.35 + 2 * width, abs=0.02), 141.73)


@pytest.mark.parametrize(
    ("text", "codes"),
    [
        ("Zoë €", [b"Zo\xeb \x80"]),
        ("e\u0308", [b"\xeb"]),
        ("Łódź", [b"\x01\xf3dz", b"\xb4"]),
        ("şĞ", [b"sG", b"\xb8", b"\x05"]),
        ("ế", [b"e", b"\x88", b"\xb4"]),
        ("İı", [b"I\x03", b"\x06"]),
        ("ĩ", [b"\x03", b"\x98"]),
        ("Đđ", [b"\xd0d", b"\xaf"]),
        ("北\n", [b"? "]),
    ],
)
def test_texts_of_many_languages(text: str, codes: list[bytes]) -> None:
    page = Page(100, 100)
    page.text(10, 50, 10, text)

    assert [each[3] for each in written(page.document())] == codes


def test_long_names_are_written_smaller_until_they_fit() -> None:
    address = ("Institut für Werkstoffe und Fertigungstechnik der Technischen Hochschule " * 3, "Am Ufer 2", "Potsdam")
    drawn = written(draw_label(replace(LABEL, recipient=address), LabelFormat.PDF))

    assert [text for *_, text in drawn if text in (b"Am Ufer 2", b"Potsdam")] == [b"Am Ufer 2", b"Potsdam"]
    assert all(x + 0.6 * size * len(text) <= 288 - 5 * POINTS_PER_MM + 0.1 for size, x, _, text in drawn)
    remarks = next(y for *_, y, text in drawn if text == b"INC-1001")
    assert min(y for _, _, y, text in drawn if text == b"Potsdam") > remarks > (152.4 - 104) * POINTS_PER_MM


def test_commands_of_a_printer_are_no_commands_in_a_text() -> None:
    zpl = draw_label(replace(LABEL, recipient=("^XZ ~JA _5E Łukasz\r",)), LabelFormat.ZPL).decode()

    assert zpl.startswith("^XA^CI28^PW813^LL1219")
    assert zpl.count("^XZ") == 1
    assert "^FH^FD_5EXZ _7EJA _5F5E Łukasz^FS" in zpl
    assert (
        "^BQN,2,9^FH^FDMA,https://hub.example.com/webhooks/van?parcel=VAN48120394857217&proof=00ff_5F_7E_5E^FS" in zpl
    )
    assert "^BY2^BCN,120,N,N,N,A^FDVAN48120394857217^FS" in zpl


def test_a_finer_printer_gets_the_same_label_with_more_dots() -> None:
    fine = draw_label(LABEL, LabelFormat.ZPL, dots_per_mm=12).decode()

    assert fine.startswith("^XA^CI28^PW1219^LL1829")
    assert "^BY3^BCN,180," in fine


@pytest.mark.parametrize(("number", "read"), [("VAN48120394857217", "VAN 4812 0394 8572 17"), ("12345", "1234 5")])
def test_a_number_is_read_in_groups(number: str, read: str) -> None:
    assert spaced(number) == read
