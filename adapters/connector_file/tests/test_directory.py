"""Which files are read, and what happens while people work on them."""

from __future__ import annotations

import asyncio
import gc
import os
import threading
import tracemalloc
from datetime import UTC, datetime

import openpyxl
import pytest

from connector.sdk import ConfigError, Transient, connect
from connector.sdk.testing import MovableClock
from connector_file import adapter, write_templates
from connector_file.columns import COLUMNS
from connector_file.reading import BATCH_ROWS

CLOCK = MovableClock(datetime(2026, 3, 2, 9, 0, tzinfo=UTC))


class Sheets:
    """A configured directory."""

    def __init__(self, directory, **settings):
        self.directory = directory
        self.connection = connect("sheets", "file", {"directory": str(directory), **settings}, clock=CLOCK)
        self.streams = {stream.name: stream for stream in self.connection.adapter.streams()}

    def start(self, stream):
        return self.connection.adapter.pull(self.streams[stream], None)

    async def pull(self, stream):
        return [batch async for batch in self.start(stream)]

    async def codes(self, stream):
        return [record.code for batch in await self.pull(stream) for record in batch.records]


@pytest.fixture
async def sheets(tmp_path):
    made = []

    def make(**settings):
        made.append(Sheets(tmp_path, **settings))
        return made[-1]

    yield make
    for item in made:
        await item.connection.aclose()


async def exhaust(batches):
    async for _ in batches:
        continue


def write(path, rows, header="hub,manufacturer,model,quantity"):
    path.write_text(header + "\n" + "".join(f"BER,Acme,Dock {number},3\n" for number in range(rows)))


async def test_a_missing_sheet_says_nothing_and_lets_nothing_be_retired(sheets):
    (batch,) = await sheets().pull("hubs")

    assert (batch.records, batch.rejected, batch.complete) == ((), (), False)


async def test_a_sheet_is_found_by_its_streams_name_in_any_case_and_format(sheets, tmp_path):
    (tmp_path / "HUBS.CSV").write_text("code\nBER\n")
    (tmp_path / "sites.tsv").write_text("code\tname\nHQ\tHead, office\n")
    (tmp_path / "hubs.csv.bak").write_text("code\nOLD\n")

    assert await sheets().codes("hubs") == ["BER"]
    assert await sheets().codes("sites") == ["HQ"]


async def test_two_files_that_may_each_be_the_sheet_are_refused_until_one_is_named(sheets, tmp_path):
    (tmp_path / "hubs.csv").write_text("code\nBER\n")
    (tmp_path / "hubs.tsv").write_text("code\nHAM\n")

    with pytest.raises(ConfigError, match=r"'hubs\.csv', 'hubs\.tsv' may each be the sheet of hubs"):
        await sheets().pull("hubs")
    assert await sheets(files={"hubs": "hubs.tsv"}).codes("hubs") == ["HAM"]


async def test_one_workbook_may_hold_several_streams(sheets, tmp_path):
    book = openpyxl.Workbook()
    book.active.title = "Hubs"
    book.active.append(["code"])
    book.active.append(["BER"])
    book.create_sheet("sites").append(["code"])
    book["sites"].append(["HQ"])
    book.save(tmp_path / "spares.xlsx")
    source = sheets(files={"hubs": "spares.xlsx", "sites": "spares.xlsx"})

    assert [await source.codes("hubs"), await source.codes("sites")] == [["BER"], ["HQ"]]


async def test_a_file_that_the_settings_name_must_be_there(sheets, tmp_path):
    (tmp_path / "depots.csv").write_text("code\n")

    with pytest.raises(Transient) as raised:
        await sheets(files={"hubs": "depot.csv"}).pull("hubs")

    assert raised.value.message == f"'depot.csv', which the settings name for hubs, is not in {str(tmp_path)!r}"
    assert raised.value.hint == "It holds 'depots.csv'. Put the file there, or correct files.hubs."


async def test_a_directory_that_is_not_there_is_no_empty_one(tmp_path):
    source = Sheets(tmp_path / "gone")

    with pytest.raises(Transient, match="gone' cannot be read: No such file or directory"):
        await source.pull("hubs")
    with pytest.raises(Transient, match="gone' cannot be read: No such file or directory"):
        await source.connection.adapter.check()
    await source.connection.aclose()


async def test_a_file_in_place_of_the_directory_is_a_mistake_in_the_settings(tmp_path):
    (tmp_path / "hubs.csv").write_text("code\n")
    source = Sheets(tmp_path / "hubs.csv")

    with pytest.raises(ConfigError, match="is not a directory"):
        await source.connection.adapter.check()
    await source.connection.aclose()


async def test_the_check_names_sheets_and_columns_that_mean_nothing(sheets, tmp_path):
    (tmp_path / "hubs.csv").write_text("code,lattitude\n")
    write(tmp_path / "stock.csv", 1)

    health = await sheets().connection.adapter.check()

    assert health.detail == "hubs.csv (columns that mean nothing here: 'lattitude'), stock.csv"


async def test_the_check_of_an_empty_directory_says_what_is_there(sheets, tmp_path):
    (tmp_path / "notes.txt").write_text("later")

    assert (await sheets().connection.adapter.check()).detail == f"no sheet yet: {tmp_path} holds 'notes.txt'"


async def test_the_check_finds_a_missing_column(sheets, tmp_path):
    (tmp_path / "stock.csv").write_text("hub,model,qty\n")

    with pytest.raises(ConfigError, match=r"stock\.csv has no column 'manufacturer'"):
        await sheets().connection.adapter.check()


async def test_a_file_that_is_written_to_while_it_is_read_is_given_up_before_it_is_complete(sheets, tmp_path):
    write(tmp_path / "stock.csv", 3 * BATCH_ROWS)
    batches = sheets().start("stock")
    first = await anext(batches)

    with (tmp_path / "stock.csv").open("a") as file:
        file.write("BER,Acme,Cable,1\n")

    assert not first.complete
    with pytest.raises(Transient, match=r"stock\.csv was changed while it was read"):
        await exhaust(batches)


async def test_a_file_that_is_replaced_while_it_is_read_is_read_to_its_old_end(sheets, tmp_path):
    write(tmp_path / "stock.csv", 3 * BATCH_ROWS)
    write(tmp_path / "new.csv", 1)
    batches = sheets().start("stock")
    first = await anext(batches)

    os.replace(tmp_path / "new.csv", tmp_path / "stock.csv")
    rest = [batch async for batch in batches]

    assert sum(len(batch.records) for batch in (first, *rest)) == 3 * BATCH_ROWS
    assert rest[-1].complete


async def test_a_pull_that_is_cancelled_while_a_thread_reads_leaves_no_file_open(sheets, tmp_path, monkeypatch):
    write(tmp_path / "stock.csv", 3 * BATCH_ROWS)
    reading, go_on = threading.Event(), threading.Event()
    files = []
    real = adapter.open_sheet

    def slowly(path, stream):
        files.append(real(path, stream))
        reading.set()
        assert go_on.wait(10)
        return files[0]

    monkeypatch.setattr(adapter, "open_sheet", slowly)
    pull = asyncio.ensure_future(sheets().pull("stock"))
    assert await asyncio.to_thread(reading.wait, 10)

    pull.cancel()
    await asyncio.sleep(0)
    go_on.set()

    with pytest.raises(asyncio.CancelledError):
        await pull
    assert [file.closed for file in files] == [True]


@pytest.mark.parametrize("suffix", ["csv", "xlsx"])
async def test_memory_does_not_grow_with_the_sheet_but_by_its_keys(sheets, tmp_path, suffix):
    async def peak(rows):
        if suffix == "csv":
            write(tmp_path / "stock.csv", rows)
        else:
            book = openpyxl.Workbook(write_only=True)
            sheet = book.create_sheet("stock")
            sheet.append(["hub", "manufacturer", "model", "quantity"])
            for number in range(rows):
                sheet.append(["BER", "Acme", number, 3])
            book.save(tmp_path / "stock.xlsx")
        gc.collect()
        tracemalloc.start()
        try:
            seen = 0
            async for batch in sheets().start("stock"):
                seen += len(batch.records)
            assert seen == rows
            return tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()

    await peak(10)
    few, many = await peak(1_000), await peak(4_000)

    record_bytes = 1_500  # what a record takes; the keys by which repetitions are found take a fifth of it
    assert (many - few) / 3_000 < record_bytes / 3


async def test_templates_can_be_read_as_they_are(sheets, tmp_path):
    written = write_templates(tmp_path)

    pulled = {stream: await sheets().pull(stream) for stream in COLUMNS}
    assert [path.name for path in written] == [f"{stream}.csv" for stream in COLUMNS]
    assert {stream: [len(batch.records) for batch in batches] for stream, batches in pulled.items()} == {
        "sites": [1], "hubs": [1], "products": [4], "compatibilities": [1], "kits": [1], "assets": [2], "stock": [2],
    }  # fmt: skip
    assert [item.reason for batches in pulled.values() for batch in batches for item in batch.rejected] == []


def test_templates_leave_files_alone_that_are_there(tmp_path):
    (tmp_path / "hubs.csv").write_text("code\nBER\n")

    written = write_templates(tmp_path)

    assert "hubs.csv" not in [path.name for path in written]
    assert (tmp_path / "hubs.csv").read_text() == "code\nBER\n"


async def test_a_glance_tells_which_sheets_changed_without_reading_them(sheets, tmp_path):
    source = sheets()
    write(tmp_path / "stock.csv", 1)
    before = await source.connection.adapter.glance()

    write(tmp_path / "stock.csv", 2)
    (tmp_path / "hubs.jsonl").write_text('{"code": "BER"}\n')
    after = await source.connection.adapter.glance()

    assert before.keys() == after.keys() == set(COLUMNS)
    assert {stream for stream in COLUMNS if before[stream] != after[stream]} == {"stock", "hubs"}
    assert await source.connection.adapter.glance() == after


async def test_a_directory_that_is_not_there_cannot_be_watched(tmp_path):
    source = Sheets(tmp_path / "away")

    with pytest.raises(Transient, match="away' cannot be read: No such file or directory"):
        await source.connection.adapter.glance()
    await source.connection.aclose()


@pytest.mark.parametrize("name", ["../elsewhere/hubs.csv", "{tmp}/elsewhere/hubs.csv", "link.csv", "folder/hubs.csv"])
async def test_a_sheet_that_leads_out_of_the_directory_is_not_read(tmp_path, name):
    """By its name, or by a link that somebody put there, of the file or of a folder."""
    inside, elsewhere = tmp_path / "sheets", tmp_path / "elsewhere"
    inside.mkdir()
    elsewhere.mkdir()
    (elsewhere / "hubs.csv").write_text("code,name\nSECRET,Not for everybody\n")
    (inside / "link.csv").symlink_to(elsewhere / "hubs.csv")
    (inside / "folder").symlink_to(elsewhere)
    made = Sheets(inside, files={"hubs": name.format(tmp=tmp_path)})

    with pytest.raises(ConfigError, match="leads out of"):
        await made.pull("hubs")

    await made.connection.aclose()


async def test_neither_is_a_link_of_the_streams_own_name(tmp_path):
    inside = tmp_path / "sheets"
    inside.mkdir()
    (tmp_path / "elsewhere.csv").write_text("code,name\nSECRET,Not for everybody\n")
    (inside / "hubs.csv").symlink_to(tmp_path / "elsewhere.csv")
    made = Sheets(inside)

    with pytest.raises(ConfigError, match="leads out of"):
        await made.pull("hubs")

    await made.connection.aclose()


async def test_links_within_the_directory_will_do(tmp_path):
    """As Kubernetes mounts files, and as whoever replaces a whole day's sheets at once."""
    (tmp_path / "..2026").mkdir()
    write(tmp_path / "..2026" / "stock.csv", 1)
    (tmp_path / "..data").symlink_to("..2026")
    (tmp_path / "stock.csv").symlink_to("..data/stock.csv")
    made = Sheets(tmp_path)

    assert len([record for batch in await made.pull("stock") for record in batch.records]) == 1

    await made.connection.aclose()
