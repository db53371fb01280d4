"""A page that is all that a query asks for: PostgreSQL sends it row by row, and it is put together here.

As one value a list is copied while it grows, again into the page and again into what is sent, and one of more than
64 kB goes to memory that is mapped anew each time: of a hundred tickets with what belongs to them, a sixth of all that
PostgreSQL does. SQLite answers quicker in one row, since each row is a step that other threads have to make way for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, assert_never

import orjson
from sqlalchemy import Select

from connector.storage.query.forms import Always, EdgeForm, Info, InfoForm, PageForm, RowForm
from connector.storage.query.rowsets import RowSets
from connector.storage.query.sight import Sight
from connector.storage.query.statement import Read, WrittenPage
from connector.storage.query.written import FormWriter

FEWEST: Final = 50
"""Rows of a page below which one value is quicker: each row is a message that has to be read."""

Sent: TypeAlias = Sequence[Sequence[bytes | None]]
"""Rows of columns, as they came."""


@dataclass(frozen=True, slots=True)
class Spread:
    """A page whose list is of these."""

    form: PageForm
    listed: RowForm | EdgeForm

    def statement(self, sight: Sight) -> Select[*tuple[Any, ...]]:
        """One row for each of the page. sight: what lies outside is not read."""
        return FormWriter(RowSets("postgresql", sight)).spread(self.form, self.listed)

    def page(self, rows: Sent) -> bytes:
        """The object of the page, of what the statement answered."""
        shown = rows[: self.form.page.size]
        return _object([(name, self._part(part, rows, shown)) for name, part in self.form.members])

    def _part(self, part: Any, rows: Sent, shown: Sent) -> bytes:
        match part:
            case Always(text):
                return orjson.dumps(text)
            case RowForm() | EdgeForm():
                return b"[%b]" % b",".join([row[0] or b"null" for row in shown])
            case InfoForm(members):
                return _object([(name, self._fact(fact, rows, shown)) for name, fact in members])
            case _:
                raise TypeError(f"{part} is not of its rows")

    def _fact(self, part: Always | Info, rows: Sent, shown: Sent) -> bytes:
        match part:
            case Always(text):
                return orjson.dumps(text)
            case Info.FALSE:
                return b"false"
            case Info.TRUE:
                return b"true"
            case Info.MORE:
                return b"true" if len(rows) > len(shown) else b"false"
            case Info.START_CURSOR:
                return _text(shown[0][1]) if shown else b"null"
            case Info.END_CURSOR:
                return _text(shown[-1][1]) if shown else b"null"
            case _:
                assert_never(part)


def spread_of(reads: Sequence[Read], dialect: str) -> Spread | None:
    """The only read as rows; None where there is more, or something that no row of it says."""
    if dialect != "postgresql" or len(reads) != 1 or not isinstance(reads[0], WrittenPage):
        return None
    form = reads[0].form
    listed = form.list
    if listed is None or form.page.size < FEWEST:
        return None
    if not all(isinstance(part, Always | InfoForm | RowForm | EdgeForm) for _, part in form.members):
        return None
    return Spread(form, listed)


def _object(members: Sequence[tuple[str, bytes]]) -> bytes:
    return b"{%b}" % b",".join([b'"%b":%b' % (name.encode(), value) for name, value in members])


def _text(cursor: bytes | None) -> bytes:
    return b"null" if cursor is None else b'"%b"' % cursor
