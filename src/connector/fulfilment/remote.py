"""Durable execution as a process sees it that runs none: other processes do, and this one asks how far they are.

What is to be started follows from the change log, which whoever runs workflows follows; so nothing is started from
here. Only errands are asked for, over a queue of DBOS.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any, Final
from uuid import uuid4

from connector.fulfilment.durable import ERRAND, ERRANDS, Durable, import_dbos
from connector.fulfilment.errands import result_of
from connector.fulfilment.workflow_tables import APPLICATION, SCHEMA, VERSION, make_tables, system_database
from connector.model.errors import Unavailable
from connector.storage.database.outages import outages

POLL_SECONDS: Final = 0.2
TAKEN_WITHIN: Final = timedelta(seconds=30)
"""By when a process that works has taken an errand, or else there is none."""
WAITING: Final = ("ENQUEUED", "DELAYED")


class RemoteDurable(Durable):
    """What other processes run on the hub's database, and what they are asked to do."""

    _client: Any = None

    async def launch(self) -> None:
        """Open the workflow tables, which are made when they are missing. Raises DatabaseAway."""
        if self._client is not None:
            return
        dbos = await asyncio.to_thread(import_dbos)
        database = system_database(self._database)
        with outages():
            await make_tables(dbos, self._owner)
        self._client = dbos.DBOSClient(
            system_database_url=database,
            dbos_system_schema=SCHEMA,
            system_database_pool_size=self._pool_size,
            application_name=APPLICATION,
            lazy=True,
            retry_connection_errors=False,
        )

    async def close(self) -> None:
        """Close the connections."""
        client, self._client = self._client, None
        if client is not None:
            await asyncio.to_thread(client.destroy)

    async def start(self, name: str, workflow_id: str, number: int) -> None:
        """Nothing: whoever follows the change log starts it."""

    async def wake(self, workflow_id: str) -> None:
        """Nothing: whoever follows the change log wakes it."""

    async def has_ended(self, workflow_id: str) -> bool:
        """Whether a workflow began and is over. Raises DatabaseAway."""
        return (await self._state(workflow_id)) not in (None, "PENDING", *WAITING)

    async def run_errand(self, name: str, argument: Mapping[str, Any]) -> dict[str, Any]:
        """Have another process do it, and wait for that. Raises what it refuses with, and Unavailable."""
        client, number = self._launched(), f"errand-{name}-{uuid4().hex}"
        options = {"workflow_name": ERRAND, "queue_name": ERRANDS, "workflow_id": number, "app_version": VERSION}
        with outages():
            handle = await client.enqueue_async(options, name, dict(argument))
        deadline = asyncio.get_running_loop().time() + TAKEN_WITHIN.total_seconds()
        while not await self.has_ended(number):
            if asyncio.get_running_loop().time() >= deadline and await self._state(number) in WAITING:
                with outages():
                    await client.cancel_workflow_async(number)
                raise Unavailable(
                    "no process of the hub does what was asked for",
                    hint="Start one with `connector serve --role worker`, or look into its log.",
                )
            await asyncio.sleep(POLL_SECONDS)
        with outages():
            return result_of(await handle.get_result())

    def _launched(self) -> Any:
        if self._client is None:
            raise Unavailable("durable execution is not reached yet", hint="Try again in a moment.")
        return self._client

    async def _state(self, workflow_id: str) -> str | None:
        with outages():
            found = await self._launched().list_workflows_async(
                workflow_ids=[workflow_id], load_input=False, load_output=False
            )
        return str(found[0].status) if found else None
