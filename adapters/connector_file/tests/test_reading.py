"""From sheets to records, and what is said of rows that cannot be used."""

from __future__ import annotations

import io
from datetime import UTC, date, datetime, time
from zoneinfo import ZoneInfo

import openpyxl
import orjson
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from connector.sdk import ConfigError, EntityKind, HubTier, Lane, Point, SourceRef, UnexpectedResponse
from connector_file import FileConfig
from connector_file.reading import read_batches, read_layout


def config(**settings: object) -> FileConfig:
    return FileConfig.model_validate({"directory": ".", **settings})


def read(body, stream="hubs", name=None, **settings):
    """(records, rejected, complete) of a sheet."""
    data = body if isinstance(body, bytes) else body.encode()
    batches = list(read_batches(io.BytesIO(data), name or f"{stream}.csv", stream, config(**settings)))
    return (
        [record for batch in batches for record in batch.records],
        [item for batch in batches for item in batch.rejected],
        batches[-1].complete,
    )


def reason(body, stream="hubs", **settings):
    """Why the only rejected row is so."""
    _, (item,), _ = read(body, stream, **settings)
    return item.reason


def workbook(**sheets):
    book = openpyxl.Workbook()
    book.remove(book.active)
    for title, rows in sheets.items():
        sheet = book.create_sheet(title)
        for row in rows:
            sheet.append(row)
    file = io.BytesIO()
    book.save(file)
    return file.getvalue()


def test_a_wrong_row_says_file_line_column_value_and_what_is_right_and_the_others_arrive():
    records, (item,), complete = read("code,name,latitude,longitude\nBER,Berlin,52.52,13.4\nNIL,Nowhere,95,13.4\n")

    assert [record.code for record in records] == ["BER"]
    assert item.reason == (
        "hubs.csv, line 3: column 'latitude' is '95', expected a number from -90 to 90. "
        "Correct it; the next pull reads it."
    )
    assert item.ref == SourceRef(kind=EntityKind.HUB, external_id="nil")
    assert item.path == "/row/latitude"
    assert orjson.loads(item.raw)["row"] == {"code": "NIL", "name": "Nowhere", "latitude": "95", "longitude": "13.4"}
    assert complete


def test_everything_that_is_wrong_with_a_row_is_said_at_once():
    body = (
        "code,tier,latitude,longitude,time_zone,country,opening_hours,cut offs,handling_minutes\n"
        "X,huge,north,200,Mars/Base,Germany,always,17:00 noon,99999\n"
    )

    assert reason(body).removesuffix(". Correct it; the next pull reads it.").split("; ") == [
        "hubs.csv, line 2: column 'latitude' is 'north', expected a number from -90 to 90",
        "column 'longitude' is '200', expected a number from -180 to 180",
        "column 'country' is 'Germany', expected a code of 2 letters, for example DE",
        "column 'tier' is 'huge', expected one of central, regional, local",
        "column 'handling_minutes' is '99999', expected a whole number from 0 to 10080",
    ]


@pytest.mark.parametrize(
    ("header", "cell", "message"),
    [
        ("time_zone", "Mars/Base", "time zone 'Mars/Base' is not in the IANA database: write e.g. 'Europe/Berlin'"),
        ("opening_hours", "always", "hours 'always' cannot be read: write '24x7' or 'Mon-Fri 08:00-18:00;"),
        ("Cut-offs", "17:00 noon", "time of day 'noon' cannot be read: write HH:MM, for example '16:30'"),
    ],
)
def test_what_the_record_itself_refuses_is_said_with_the_sheets_own_header(header, cell, message):
    text = reason(f"code,{header}\nBER,{cell}\n")

    assert text.startswith(f"hubs.csv, line 2: column {header!r} is {cell!r}, expected otherwise: {message}")


@pytest.mark.parametrize("written", ["12:00 18:00", "12:00,18:00", "12:00; 18:00", " 12:00  18:00 "])
def test_cut_offs_are_separated_by_spaces_commas_or_semicolons(written):
    (hub,), _, _ = read(f'code,courier_cut_offs\nBER,"{written}"\n')

    assert hub.courier_cut_offs == ("12:00", "18:00")


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_delimiter_and_marked_encoding_are_found(delimiter, encoding):
    lines = ["Code|Name|LAT|Lon|Zip", 'ZRH|"Kit Zürich, Süd; 1"|47,4|8,5|08001']
    text = "\r\n".join(
        delimiter.join(f'"{cell}"' if "," in cell else cell for cell in line.replace('"', "").split("|"))
        for line in lines
    )

    (hub,), rejected, complete = read(text.encode(encoding))

    assert (hub.code, hub.name, hub.point) == ("ZRH", "Kit Zürich, Süd; 1", Point(47.4, 8.5))
    assert hub.address is not None
    assert hub.address.postal_code == "08001"
    assert (rejected, complete) == ([], True)


def test_another_encoding_is_refused_with_its_line_and_read_when_it_is_named():
    body = "code,name\nBER,Berlin\nMUC,München\n".encode("cp1252")

    with pytest.raises(ConfigError) as raised:
        read(body)
    (_, munich), _, _ = read(body, encoding="cp1252")

    assert raised.value.message == "hubs.csv, line 3: byte 0xfc is not UTF-8"
    assert raised.value.hint.startswith("Save the sheet as 'CSV UTF-8', or name its encoding in the settings")
    assert munich.name == "München"


def test_a_missing_column_names_those_that_are_there_and_those_that_are_expected():
    with pytest.raises(ConfigError) as raised:
        read("depot,maker,model,pieces\nBER,Acme,Dock,3\n", "stock")

    assert raised.value.message == (
        "stock.csv has no column 'quantity'. Columns found: 'depot', 'maker', 'model', 'pieces'. Columns expected: "
        "hub*, manufacturer*, model*, lane, quantity*, reorder_point, target, safety_stock, emergency_buffer, "
        "counted_at (* must be there)"
    )


def test_settings_say_what_a_header_means_and_a_wrong_one_is_refused():
    body = "depot,maker,model,pieces\nBER,Acme,Dock,3\n"

    (row,), _, _ = read(body, "stock", columns={"stock": {"quantity": "Pieces"}})
    with pytest.raises(ConfigError, match=r"stock\.csv has no column 'Units'\. Columns found: 'hub'"):
        read("hub,maker,model,qty\n", "stock", columns={"stock": {"quantity": "Units"}})

    assert (row.hub, row.quantity) == ("BER", 3)


def test_two_columns_that_mean_the_same_are_refused_unless_one_has_the_name_itself():
    (row,), _, _ = read("hub,code,maker,model,quantity\nBER,other,Acme,Dock,3\n", "stock")

    assert row.hub == "BER"
    with pytest.raises(ConfigError, match="the columns 'qty' and 'count' both mean 'quantity'"):
        read("hub,maker,model,qty,count\n", "stock")


@pytest.mark.parametrize("body", ["", "\n\n", ";;;\n", "\ufeff"])
def test_an_empty_file_says_nothing_and_is_not_complete(body):
    assert read(body) == ([], [], False)


def test_a_header_alone_says_that_there_is_nothing():
    assert read("code,name\n") == ([], [], True)


def test_blank_lines_are_left_out_and_still_counted():
    records, (item,), complete = read("\n\ncode,tier\n\nBER,local\n,,\n  , \nHAM,big\n")

    assert [record.code for record in records] == ["BER"]
    assert item.reason.startswith("hubs.csv, line 8: column 'tier' is 'big'")
    assert complete


def test_line_numbers_are_those_of_an_editor_where_texts_span_lines():
    _, (item,), _ = read('code,name,tier\nBER,"Berlin\nsecond line",local\nHAM,Hamburg,big\n')

    assert item.reason.startswith("hubs.csv, line 4: ")


def test_of_two_rows_about_the_same_the_second_is_rejected_naming_both_lines():
    records, (item,), complete = read("code,name\nBER,First\nHAM,Hamburg\n ber ,Second\n")

    assert [record.name for record in records] == ["First", "Hamburg"]
    assert item.reason == (
        "hubs.csv, line 4: it is about the same as line 2 ('ber'), which counts: keep one. "
        "Correct it; the next pull reads it."
    )
    assert item.ref == SourceRef(kind=EntityKind.HUB, external_id="ber")
    assert complete


def test_the_same_product_may_be_on_several_lanes_of_a_hub():
    header = "hub,manufacturer,model,lane,quantity\n"

    records, rejected, _ = read(
        header + "BER,Acme,Dock,,3\nBER,ACME,dock,Break-glass,1\nBER,acme,Dock,normal,2\nBER,Acme,Dock,Loaners,4",
        "stock",
    )

    assert [(record.lane, record.quantity) for record in records] == [
        (Lane.NORMAL, 3), (Lane.BREAK_GLASS, 1), (Lane.LOANER, 4),
    ]  # fmt: skip
    assert [item.reason.split(" (")[0] for item in rejected] == ["stock.csv, line 4: it is about the same as line 2"]


def test_a_row_that_does_not_say_who_it_is_about_keeps_everything_from_being_retired():
    records, (item,), complete = read("code,name\nBER,Berlin\n,Nameless\n")

    assert [record.code for record in records] == ["BER"]
    assert item.reason.startswith("hubs.csv, line 3: column 'code' is empty, and must not be")
    assert item.ref is None
    assert not complete


def test_a_quotation_mark_that_is_never_closed_is_rejected_and_keeps_everything_from_being_retired():
    records, (item,), complete = read('code,name\nBER,Berlin\nHAM,"Hamburg\nMUC,Munich\n')

    assert [record.code for record in records] == ["BER"]
    assert item.reason == (
        "hubs.csv, line 3: a quotation mark that is opened here is never closed: "
        "the lines below it cannot be told apart"
    )
    assert orjson.loads(item.raw)["text"] == 'HAM,"Hamburg\nMUC,Munich\n'
    assert not complete


def test_after_a_line_that_cannot_be_divided_the_next_ones_are_read():
    records, (item,), complete = read('code,name\nBER,"Ber"lin\nHAM,Hamburg\n')

    assert [record.code for record in records] == ["HAM"]
    assert item.reason.startswith("hubs.csv, line 2: it cannot be divided into cells (',' expected after '\"')")
    assert not complete


def test_more_cells_than_headers_are_a_delimiter_inside_a_text():
    assert "there are 3 cells under 2 headers, the last is 'Mitte': put a text that holds a delimiter" in reason(
        "code,name\nBER,Berlin,Mitte\n"
    )


def test_texts_that_look_like_formulas_stay_texts():
    (product,), _, _ = read('manufacturer,model,sku\n@Acme,"=1+1","+SUM(A1)"\n', "products")

    assert (product.key.manufacturer, product.key.model, product.sku) == ("@Acme", "=1+1", "+SUM(A1)")


@pytest.mark.parametrize("serial", ["4.5E+11", "4,5E+11"])
def test_a_serial_that_a_spreadsheet_has_rounded_is_refused(serial):
    assert "expected a text: the spreadsheet has rounded it" in reason(f'serial\n"{serial}"\n', "assets")


def test_a_device_is_in_one_place_and_names_its_product_whole_or_not():
    header = "serial,hub,site,manufacturer,model\n"

    (in_hub, at_site), rejected, _ = read(
        header + "S1,BER,,Acme,Dock\nS2,,HQ,,\nS3,BER,HQ,,\nS4,,,Acme,\n,,,Acme,Dock\n", "assets"
    )

    assert in_hub.place == SourceRef(kind=EntityKind.HUB, external_id="ber")
    assert at_site.place == SourceRef(kind=EntityKind.SITE, external_id="hq")
    assert [item.reason.partition(": ")[2].partition(". ")[0] for item in rejected] == [
        "column 'site' is 'HQ', expected nothing, since hub 'BER' is given: a device is in one place",
        "column 'model' is empty: give manufacturer and model, or neither",
        "neither serial nor asset tag is given, expected one of them",
    ]


def test_settings_fill_in_zone_country_and_currency_where_a_row_is_silent():
    defaults = {"time_zone": "Europe/Berlin", "country": "DE", "currency": "EUR"}

    (berlin, vienna), _, _ = read("code,time_zone,country\nBER,,\nVIE,Europe/Vienna,at\n", **defaults)
    (priced, free), _, _ = read("maker,model,price\nAcme,Dock,12\nAcme,Cable,\n", "products", **defaults)

    assert [(hub.time_zone, hub.address.country) for hub in (berlin, vienna)] == [
        ("Europe/Berlin", "DE"), ("Europe/Vienna", "AT"),
    ]  # fmt: skip
    assert [(item.unit_cost_cents, item.currency) for item in (priced, free)] == [(1200, "EUR"), (None, None)]


def test_a_time_without_a_zone_is_refused_unless_the_settings_name_one():
    body = "hub,maker,model,qty,counted\nBER,Acme,Dock,3,2026-07-01 08:00\n"

    (row,), _, _ = read(body, "stock", time_zone="Europe/Berlin")

    assert row.counted_at.isoformat() == "2026-07-01T06:00:00+00:00"
    assert "column 'counted' is '2026-07-01 08:00', expected a time with its zone" in reason(body, "stock")


def test_cells_of_a_workbook_keep_their_types():
    rows = [
        ["code", "name", "tier", "lat", "lon", "courier_cut_offs", "handling_minutes", "zip"],
        [17, "=not a formula", "Local", 52.52, 13, time(17, 0), 20.0, 1010],
    ]
    body = workbook(notes=[["read me"]], Hubs=rows)

    (hub,), rejected, complete = read(body, name="hubs.xlsx")

    assert rejected == []
    assert (hub.code, hub.tier, hub.point) == ("17", HubTier.LOCAL, Point(52.52, 13.0))
    assert (hub.courier_cut_offs, hub.handling_minutes, hub.address.postal_code) == (("17:00",), 20, "1010")
    assert complete


def test_dates_and_truths_of_a_workbook():
    stock = workbook(
        any=[["hub", "maker", "model", "qty", "counted"], ["BER", "Acme", "Dock", 3, datetime(2026, 1, 31, 14, 30)],  # noqa: DTZ001 - as Excel has it
             ["BER", "Acme", "Cable", 4, date(2026, 1, 31)]]
    )  # fmt: skip
    products = workbook(any=[["maker", "model", "data bearing", "weight g"], ["Acme", "Disk", True, date(2026, 1, 1)]])

    counts, _, _ = read(stock, "stock", "stock.xlsx", time_zone="Europe/Berlin")
    _, (item,), _ = read(products, "products", "products.xlsx")

    assert [row.counted_at.isoformat() for row in counts] == ["2026-01-31T13:30:00+00:00", "2026-01-30T23:00:00+00:00"]
    assert "column 'weight g' is '2026-01-01', expected a whole number from 0 to 2147483647" in item.reason


def test_a_formula_that_failed_is_no_text():
    book = openpyxl.load_workbook(io.BytesIO(workbook(hubs=[["code", "name"], ["BER", "x"]])))
    book["hubs"]["B2"].value, book["hubs"]["B2"].data_type = "#N/A", "e"
    file = io.BytesIO()
    book.save(file)

    _, (item,), _ = read(file.getvalue(), name="hubs.xlsx")

    assert item.reason.startswith("hubs.xlsx, line 2: column 'name' is '#N/A', expected a value: its formula failed")


def test_it_must_be_clear_which_sheet_of_a_workbook_is_meant():
    body = workbook(January=[["code"]], February=[["code"]])

    with pytest.raises(ConfigError, match=r"hubs\.xlsx has the sheets 'January', 'February', and none is named 'hubs'"):
        read(body, name="hubs.xlsx")


@pytest.mark.parametrize("body", [b"", b"PK\x03\x04 cut off", b"\xd0\xcf\x11\xe0 encrypted"])
def test_what_is_no_workbook_is_said_so(body):
    with pytest.raises(UnexpectedResponse) as raised:
        read(body, name="hubs.xlsx")

    assert raised.value.message == "hubs.xlsx cannot be read as a workbook"
    assert raised.value.hint == "Open it in the spreadsheet and save it as .xlsx without a password."


def test_a_file_of_one_endless_line_is_no_csv():
    with pytest.raises(UnexpectedResponse, match=r"hubs\.csv, line 2 is longer than 1048576 characters"):
        read("code\n" + "x" * 1_100_000)


def test_control_characters_and_endless_texts_are_refused():
    assert "expected a text without control characters" in reason("code,name\nBER,a\x00b\n")
    assert "expected at most 255 characters, it has 300" in reason(f"code,name\nBER,{'x' * 300}\n")


def test_unknown_columns_are_named():
    layout = read_layout(io.BytesIO(b"code,lattitude,\n"), "hubs.csv", "hubs", config())

    assert layout is not None
    assert layout.unknown == ("lattitude",)


def test_very_long_names_still_make_a_reference_of_their_own():
    first, second = "x" * 250 + "1", "x" * 250 + "2"

    records, rejected, _ = read(f"maker,model\n{first},{first}\n{first},{second}\n", "products", name="products.csv")

    assert rejected == []
    assert len({record.ref for record in records}) == 2
    assert {len(record.ref.external_id) for record in records} == {255}


KIT_HEADER = "name,manufacturer,model,component_manufacturer,component_model,quantity,instructions\n"


def test_the_lines_of_a_kit_are_one_record_wherever_they_stand():
    records, rejected, complete = read(
        KIT_HEADER + "Swap,Cisco,C9300,Acme,Bracket,2,Seal it.\nEdge,,,Acme,Seal,,\nswap,,,Acme,Seal,1,\n", "kits"
    )

    assert [(kit.ref.external_id, kit.name, len(kit.components)) for kit in records] == [
        ("swap", "Swap", 2),
        ("edge", "Edge", 1),
    ]
    assert records[0].product.model == "C9300"
    assert [(item.product.model, item.quantity) for item in records[0].components] == [("Bracket", 2), ("Seal", 1)]
    assert (records[0].instructions, records[1].product) == ("Seal it.", None)
    assert (rejected, complete) == ([], True)


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        ("Swap,,,Acme,Seal,0,", "column 'quantity' is '0', expected a whole number from 1 to 10000"),
        ("Swap,,,Acme,,1,", "column 'component_model' is empty, and must not be"),
        ("Swap,Cisco,,Acme,Seal,1,", "column 'model' is empty: give manufacturer and model, or neither"),
        ("Swap,,,acme,BRACKET,1,",
         "column 'component_model' names the component of line 2 again: state the quantity of both there"),
        ("Swap,Cisco,C9200,Acme,Seal,1,", "column 'model' is not what line 2 says of the same kit: say it once"),
        ("Swap,,,Acme,Seal,1,Do not.", "column 'instructions' is not what line 2 says of the same kit: say it once"),
    ],
)  # fmt: skip
def test_a_wrong_line_of_a_kit_is_rejected_and_keeps_the_kit_as_it_was(line, problem):
    records, (item,), complete = read(
        KIT_HEADER + "Swap,Cisco,C9300,Acme,Bracket,2,Seal it.\n" + line + "\nEdge,,,Acme,Seal,1,\n", "kits"
    )

    assert [kit.name for kit in records] == ["Edge"]
    assert item.reason == f"kits.csv, line 3: {problem}. Correct it; the next pull reads it."
    assert item.ref == SourceRef(kind=EntityKind.KIT, external_id="swap")
    assert complete


def test_a_kit_of_a_workbook_is_read_from_its_sheet():
    body = workbook(
        hubs=[["code"], ["BER"]],
        kits=[["kit", "component_manufacturer", "component_model", "qty"], ["Edge", "Acme", "Seal", 3]],
    )

    ((kit,), _, _) = read(body, "kits", "spares.xlsx")

    assert (kit.name, kit.components[0].quantity) == ("Edge", 3)


def test_revision_and_end_of_the_warranty_of_a_device():
    header = "serial,hw revision,Warranty until\n"

    (first, second), [refused], _ = read(header + "S1,V03,2027-01-31\nS2,,\nS3,V04,next year\n", "assets")

    assert (first.revision, first.warranty_ends_on) == ("V03", date(2027, 1, 31))
    assert (second.revision, second.warranty_ends_on) == (None, None)
    assert "column 'Warranty until' is 'next year', expected a date such as 2026-01-31" in refused.reason


@given(
    st.sampled_from(["Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "America/Havana"]),
    st.datetimes(datetime.fromisoformat("2026-01-01"), datetime.fromisoformat("2026-12-31")),
)
@settings(max_examples=60, deadline=None)
def test_a_local_time_is_one_instant_also_where_clocks_are_set(zone, local):
    """Where it comes twice, the first."""
    local = local.replace(microsecond=0)
    body = f"hub,maker,model,qty,counted\nBER,Acme,Dock,3,{local.isoformat(sep=' ')}\n"

    (count,), _, _ = read(body, "stock", time_zone=zone)

    means = [local.replace(tzinfo=ZoneInfo(zone), fold=fold).astimezone(UTC) for fold in (0, 1)]
    exist = [at for at in means if at.astimezone(ZoneInfo(zone)).replace(tzinfo=None) == local]
    assert count.counted_at == (min(exist) if exist else max(means))


@pytest.mark.parametrize(
    ("text", "at"),
    [
        ("2026-10-25 01:59", datetime(2026, 10, 24, 23, 59, tzinfo=UTC)),
        ("2026-10-25 02:30", datetime(2026, 10, 25, 0, 30, tzinfo=UTC)),
        ("2026-10-25 03:00", datetime(2026, 10, 25, 2, 0, tzinfo=UTC)),
        ("2026-03-29 02:30", datetime(2026, 3, 29, 1, 30, tzinfo=UTC)),
    ],
)
def test_in_berlin_an_hour_comes_twice_and_one_does_not_come(text, at):
    body = f"hub,maker,model,qty,counted\nBER,Acme,Dock,3,{text}\n"

    (count,), _, _ = read(body, "stock", time_zone="Europe/Berlin")

    assert count.counted_at == at
