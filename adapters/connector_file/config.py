"""Settings of a directory of sheets."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import Field, field_validator, model_validator

from connector.sdk import AdapterConfig, TimeZone
from connector_file.columns import COLUMNS


class FileConfig(AdapterConfig):
    """Settings below `[sources.NAME]` with `adapter = "file"`."""

    directory: Path = Field(description="Directory that holds the sheets.", examples=["sheets"])
    files: dict[str, str] = Field(
        default_factory=dict,
        description="File name by stream, where it is not the stream's own name with .csv, .tsv, .xlsx or .jsonl. "
        "Several streams may name one workbook: each reads the sheet of its name.",
        examples=[{"hubs": "Depots 2026.xlsx"}],
    )
    columns: dict[str, dict[str, str]] = Field(
        default_factory=dict,
        description="By stream: which header holds a column, where the header is neither its name nor an alias.",
        examples=[{"stock": {"quantity": "Anzahl"}}],
    )
    delimiter: Literal[",", ";", "\t", "|"] | None = Field(
        default=None, description="What separates the cells of a CSV file; found from its header if not given.",
        examples=[";"],
    )  # fmt: skip
    encoding: str | None = Field(
        default=None,
        description="Encoding of CSV files that are neither UTF-8 nor UTF-16 with a mark at their beginning.",
        examples=["cp1252"],
    )
    decimal: Literal[".", ","] | None = Field(
        default=None,
        description="Decimal sign of numbers; found number by number if not given, and then '1,200' is refused "
        "because it can be read in two ways.",
        examples=[","],
    )
    time_zone: TimeZone | None = Field(
        default=None, description="IANA time zone of places and times that state none.", examples=["Europe/Berlin"]
    )
    country: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{2}$",
        description="ISO 3166-1 code of the country of places that state none.",
        examples=["DE"],
    )
    currency: str | None = Field(
        default=None,
        pattern=r"^[A-Z]{3}$",
        description="ISO 4217 code of the currency of costs that state none.",
        examples=["EUR"],
    )

    @field_validator("encoding")
    @classmethod
    def _is_an_encoding(cls, name: str | None) -> str | None:
        try:
            "".encode(name or "utf-8")
        except (LookupError, ValueError):
            raise ValueError(f"encoding {name!r} is not known: write e.g. 'cp1252'") from None
        return name

    @model_validator(mode="after")
    def _names_what_there_is(self) -> FileConfig:
        for setting, given in (("files", self.files), ("columns", self.columns)):
            for stream in given:
                if stream not in COLUMNS:
                    raise ValueError(f"{setting}: there is no stream {stream!r}, only {', '.join(COLUMNS)}")
        for stream, name in self.files.items():
            if Path(name).suffix.lower() not in {".csv", ".tsv", ".txt", ".xlsx", ".xlsm", ".jsonl", ".ndjson"}:
                raise ValueError(
                    f"files: {name!r} of {stream} is neither .csv, .tsv, .txt, .xlsx, .xlsm nor .jsonl, .ndjson"
                )
        for stream, headers in self.columns.items():
            known = [column.name for column in COLUMNS[stream]]
            for name in headers:
                if name not in known:
                    raise ValueError(f"columns: {stream} has no column {name!r}, only {', '.join(known)}")
        return self
