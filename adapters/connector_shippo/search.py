"""Finds the label that an earlier attempt bought: by its metadata, among the latest, since Shippo has no filter."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from connector.sdk import Clock, IdempotencyKey, Transient, UnexpectedResponse
from connector.sdk.answers import read_answer
from connector.sdk.cursors import read_instant
from connector_shippo.client import ShippoClient
from connector_shippo.config import ShippoConfig
from connector_shippo.requests import mark_of
from connector_shippo.shapes import UNDER_WAY, Transaction

OPERATION = "find label"


async def find_transaction(
    client: ShippoClient, key: IdempotencyKey, config: ShippoConfig, clock: Clock
) -> Transaction | None:
    """The transaction of this key that bought a label, void ones included.

    Raises Transient while one is under way: to buy another would buy two. Raises UnexpectedResponse when the list is
    not sorted newest first, or shows the same page again, since then there is no telling where to stop.
    """
    since = clock.now() - config.look_back
    mark, page, last = mark_of(key), 1, None
    before: tuple[Any, ...] = ()
    while True:
        found = await client.transactions(page, config.page_size, OPERATION)
        if found.results and found.results == before:
            raise does_not_go_on(page, OPERATION)
        before = found.results
        for body in found.results:
            at = bought_at(body)
            if at is not None and last is not None and at > last:
                raise UnexpectedResponse(
                    "Shippo lists labels in another order than newest first: an earlier one might be overlooked",
                    operation=OPERATION,
                    hint="Compare it with the API version in the adapter's README. Nothing was bought.",
                )
            last = at or last
            if at is not None and at < since:
                return None
            if isinstance(body, dict) and str(body.get("metadata") or "").startswith(mark):
                transaction = read_answer(Transaction, body, OPERATION)
                if transaction.status in UNDER_WAY:
                    raise still_under_way(transaction, OPERATION)
                if transaction.is_bought:
                    return transaction
        if not found.has_more:
            return None
        page += 1


def does_not_go_on(page: int, operation: str) -> UnexpectedResponse:
    """A list that would be read for ever. page: which is the one before it again."""
    return UnexpectedResponse(
        f"Shippo's list of labels does not go on: page {page} is page {page - 1} again, and has another page",
        operation=operation,
        hint="Nothing was bought; it is tried again by itself. Report it to Shippo where it stays so.",
    )


def still_under_way(transaction: Transaction, operation: str) -> Transient:
    """A label that Shippo is just buying."""
    return Transient(
        f"Shippo is still buying label {transaction.id}: it is {transaction.status}",
        operation=operation,
        ref=transaction.ref,
    )


def bought_at(body: Any) -> datetime | None:
    """When a transaction was made, if it says so."""
    try:
        return read_instant(body["object_created"])
    except (KeyError, TypeError, ValueError):
        return None
