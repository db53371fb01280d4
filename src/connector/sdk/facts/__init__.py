"""Documents that are tables of facts: where in a system's JSON the fields of a record stand, and how they are read.

Places are JMESPath expressions of a bounded size; words, units and times are translated by tables. There are no
conditions, loops or code. For adapters whose systems are described by a document instead of code.
"""

from connector.sdk.facts.consistency import Finding, Location, record_of, row_findings, table_of
from connector.sdk.facts.expressions import Expression, Path
from connector.sdk.facts.kinds import Form, RecordKind, Target
from connector.sdk.facts.mapping import RowReader, matches, raw_row
from connector.sdk.facts.reading import DocumentKind, InvalidDocument
from connector.sdk.facts.rows import (
    Facts,
    FieldFacts,
    HeaderName,
    Match,
    Name,
    RowFacts,
    SystemFacts,
    TimeForm,
    Word,
    Words,
)
from connector.sdk.facts.times import Spelling

__all__ = [
    "DocumentKind", "Expression", "Facts", "FieldFacts", "Finding", "Form", "HeaderName", "InvalidDocument", "Location",
    "Match", "Name", "Path", "RecordKind", "RowFacts", "RowReader", "Spelling", "SystemFacts", "Target", "TimeForm",
    "Word", "Words", "matches", "raw_row", "record_of", "row_findings", "table_of",
]  # fmt: skip
