"""Any table that is written as CSV, in any of its forms, reads back as the same records."""

from __future__ import annotations

import csv
import io
import unicodedata
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connector_file import FileConfig
from connector_file.reading import read_batches

characters = st.characters(
    exclude_categories=("Cs", "Cc", "Zs", "Zl", "Zp", "Cf"), exclude_characters="\ufeff"
) | st.sampled_from(' ,;\t|"=\n')
texts = st.text(characters, min_size=1, max_size=40).map(str.strip).filter(bool)
rows = st.fixed_dictionaries(
    {
        "manufacturer": texts,
        "model": texts,
        "sku": st.none() | texts,
        "unit_cost_cents": st.none() | st.integers(0, 10**8),
        "weight_g": st.none() | st.integers(0, 10**6),
        "is_data_bearing": st.none() | st.booleans(),
    }
)


def identity(row):
    names = (unicodedata.normalize("NFKC", row[name]) for name in ("manufacturer", "model"))
    return tuple(" ".join(name.casefold().split()) for name in names)


@settings(suppress_health_check=[HealthCheck.too_slow])
@given(
    table=st.lists(rows, max_size=12),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
    decimal=st.sampled_from([".", ","]),
    encoding=st.sampled_from(["utf-8", "utf-8-sig", "utf-16"]),
    ending=st.sampled_from(["\n", "\r\n"]),
    blank=st.booleans(),
)
def test_any_table_reads_back_as_the_same_records(table, delimiter, decimal, encoding, ending, blank):
    file = io.StringIO(newline="")
    writer = csv.writer(file, delimiter=delimiter, lineterminator=ending)
    writer.writerow(["Manufacturer", "MODEL", "sku", "unit cost", "weight-g", "data bearing"])
    for row in table:
        cost, bearing = row["unit_cost_cents"], row["is_data_bearing"]
        writer.writerow(
            [
                row["manufacturer"], row["model"], row["sku"],
                None if cost is None else f"{cost // 100}{decimal}{cost % 100:02}", row["weight_g"],
                None if bearing is None else ("yes" if bearing else "no"),
            ]
        )  # fmt: skip
        if blank:
            file.write(ending)

    body = io.BytesIO(file.getvalue().encode(encoding))
    batches = list(read_batches(body, "products.csv", "products", FileConfig(directory=Path())))

    first = {}
    for row in table:
        first.setdefault(identity(row), row)
    records = [record for batch in batches for record in batch.records]
    assert [
        {
            "manufacturer": record.key.manufacturer, "model": record.key.model, "sku": record.sku,
            "unit_cost_cents": record.unit_cost_cents, "weight_g": record.weight_g,
            "is_data_bearing": record.is_data_bearing,
        }
        for record in records
    ] == list(first.values())  # fmt: skip
    assert batches[-1].complete
