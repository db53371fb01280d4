"""What a source says, set aside in a file: read from it once, used as often as is needed, a batch of it in memory."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Iterator, Mapping
from datetime import datetime
from tempfile import SpooledTemporaryFile
from typing import Any, Final, Self

import orjson

from connector.ingest.apply import MakingError, pack, unpack
from connector.model.errors import InvalidRecord
from connector.model.records import Record
from connector.model.refs import SourceRef
from connector.sdk.adapter import Batch, Deferred, Rejected

IN_MEMORY: Final = 8 * 1024 * 1024
"""Bytes up to which no file is needed."""


class Spool:
    """Batches of the streams of a source, in the order in which they came. Close it at the end.

    What the adapter deferred is made when it is set aside, so that no more of the adapter is needed.
    """

    def __init__(self) -> None:
        self._file = SpooledTemporaryFile(max_size=IN_MEMORY)  # noqa: SIM115 - closed by whoever has the spool

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """Give the file up."""
        self._file.close()

    def add(self, stream: str, batch: Batch) -> None:
        """Set a batch aside. Raises MakingError when the adapter fails to make what it deferred."""
        line = {
            "stream": stream,
            "records": [_packed(item) for item in batch.records],
            "rejected": [_packed_rejection(item) for item in batch.rejected],
            "complete": batch.complete,
        }
        self._file.write(orjson.dumps(line) + b"\n")

    def batches(self, stream: str) -> Iterator[Batch]:
        """The batches of a stream, as they came but for where the stream would go on."""
        self._file.seek(0)
        for text in self._file:
            line = orjson.loads(text)
            if line["stream"] == stream:
                yield Batch(
                    records=tuple(_unpacked(item) for item in line["records"]),
                    rejected=tuple(_rejection(item) for item in line["rejected"]),
                    complete=line["complete"],
                )


def _packed(item: Record | Deferred) -> dict[str, Any]:
    if not isinstance(item, Deferred):
        return pack(item)
    try:
        made = item.made()
    except Exception as error:
        raise MakingError(f"{item.ref} could not be made") from error
    return {
        "ref": _packed_ref(item.ref),
        "updated_at": item.updated_at,
        "digest": b64encode(item.digest).decode(),
        "raw": b64encode(item.raw).decode(),
        "made": None if isinstance(made, Rejected) else pack(made),
        "reason": made.reason if isinstance(made, Rejected) else None,
        "path": made.path if isinstance(made, Rejected) else None,
    }


def _unpacked(packed: Mapping[str, Any]) -> Record | Deferred:
    if "digest" not in packed:
        return unpack(packed)

    def make() -> Record:
        if packed["made"] is None:
            raise InvalidRecord(packed["reason"], path=packed["path"])
        return unpack(packed["made"])

    return Deferred(
        ref=SourceRef.model_validate(packed["ref"]),
        updated_at=datetime.fromisoformat(packed["updated_at"]) if packed["updated_at"] else None,
        digest=b64decode(packed["digest"]),
        raw=b64decode(packed["raw"]),
        make=make,
    )


def _packed_ref(ref: SourceRef) -> dict[str, str]:
    return {"kind": ref.kind.value, "external_id": ref.external_id}


def _packed_rejection(item: Rejected) -> dict[str, Any]:
    return {
        "ref": _packed_ref(item.ref) if item.ref is not None else None,
        "raw": b64encode(item.raw).decode(),
        "reason": item.reason,
        "path": item.path,
    }


def _rejection(packed: Mapping[str, Any]) -> Rejected:
    ref = SourceRef.model_validate(packed["ref"]) if packed["ref"] else None
    return Rejected(ref=ref, raw=b64decode(packed["raw"]), reason=packed["reason"], path=packed["path"])
