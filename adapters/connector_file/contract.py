"""What the contract kit needs to check this adapter: sheets that people work on, and sheets as programs save them."""

from __future__ import annotations

import io
import re
from collections.abc import Sequence
from pathlib import Path

from connector.sdk import Clock, Record
from connector.sdk.testing import Contract, Golden
from connector_file.config import FileConfig
from connector_file.reading import read_batches
from connector_file.sandbox import FileSandbox


def read_sheet(name: str, body: bytes) -> Sequence[Record]:
    """The records of a sheet whose name begins with its stream's."""
    config = FileConfig(directory=Path(), time_zone="Europe/Berlin")
    stream = re.split(r"[._]", name)[0]
    found = (item for batch in read_batches(io.BytesIO(body), name, stream, config) for item in batch.records)
    return [item for item in found if isinstance(item, Record)]


def _sandbox(_clock: Clock) -> FileSandbox:
    return FileSandbox()


CONTRACT = Contract(
    adapter="file", sandbox=_sandbox, golden=Golden(Path(__file__).parent / "payloads", read=read_sheet)
)
