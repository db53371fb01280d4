"""Looks up where the users of devices work: never one by one."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Iterable
from contextlib import aclosing, suppress

from connector.sdk import InvalidRecord, SourceRef
from connector_intune.config import IntuneConfig
from connector_intune.graph import Graph, Row
from connector_intune.sites import COLUMNS, workplace

MOST_IN_FILTER = 15
"""Ids that the operator `in` takes. With 20 such requests in one, 300 people are asked for at once."""


class People:
    """People of one tenant."""

    def __init__(self, graph: Graph, config: IntuneConfig) -> None:
        self._graph = graph
        self._config = config

    async def places(self, users: Iterable[str], operation: str) -> dict[str, SourceRef]:
        """Sites by the id of the user. Who is not there any more, or tells no place, is left out."""
        wanted = sorted(set(users))
        if self._config.places == "none" or not wanted:
            return {}
        paths = [
            f"users?$select={COLUMNS}&$top={MOST_IN_FILTER}&$filter=id%20in%20({_quoted(some)})"
            for some in (wanted[start : start + MOST_IN_FILTER] for start in range(0, len(wanted), MOST_IN_FILTER))
        ]
        found: dict[str, SourceRef] = {}
        async with aclosing(self._graph.together(paths, operation)) as answers:
            async for parts in answers:
                for part in parts:
                    for row in _rows(part.body):
                        with suppress(InvalidRecord):  # which is said of the person where places are read
                            if (place := workplace(row, self._config)) is not None:
                                found[str(row.get("id")).lower()] = place.ref()
        return found

    async def everybody(self, operation: str) -> AsyncGenerator[list[Row], None]:
        """Pages of all people, none of them empty; nobody where the settings want no places."""
        if self._config.places == "none":
            return
        params = {"$select": COLUMNS, "$top": str(self._config.page_size)}
        async with aclosing(self._graph.pages("users", params, operation)) as pages:
            async for rows, _ in pages:
                if rows:
                    yield rows


def _quoted(users: Iterable[str]) -> str:
    return ",".join(f"'{user}'" for user in users)


def _rows(body: object) -> list[Row]:
    rows = body.get("value") if isinstance(body, dict) else None
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
