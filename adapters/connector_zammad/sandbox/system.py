"""SANDBOX: the whole sandbox system, as tests start it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette

from connector.sdk import Clock, SourceRef, TicketState, WebhookRequest, hmac_hex
from connector.sdk.testing import NotApplicable, SentWebhook, Signature, TicketSandbox, json_webhook
from connector_zammad.mapping import ticket_ref
from connector_zammad.sandbox.desk import LONGEST_ARTICLE, LONGEST_INPUT, Change, Desk
from connector_zammad.sandbox.server import Server
from connector_zammad.webhook import SIGNATURE

TOKEN = "sandbox-token-4c1f9b2e7d30"  # noqa: S105 - opens nothing but this sandbox
SECRET = "sandbox-webhook-secret-81c7"  # noqa: S105
NOBODY_TELLS = "no list and no webhook of Zammad's tells that a ticket was deleted; one that is asked for is not there"


class ZammadSandbox(TicketSandbox):
    """Zammad in small: milliseconds, pages by number that shift, attributes that are left out without a word."""

    field = ("tracking_number", "00340434161094042557")
    next_state = TicketState.RESOLVED
    longest_note, longest_field = LONGEST_ARTICLE, LONGEST_INPUT

    def __init__(self, clock: Clock) -> None:
        self.desk = Desk(clock)
        self.server = Server(self.desk, f"Token token={TOKEN}")
        self._app = self.server.app()

    def app(self) -> Starlette:
        """The server."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with small pages."""
        return {"base_url": "http://zammad.test", "token": TOKEN, "webhook_secret": SECRET, "page_size": 5}

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a token that was deleted."""
        return {**self.settings(), "token": "deleted-token-000000000000"}

    # Pulls

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:  # noqa: ARG002
        """New tickets."""
        made = (self.desk.open(at + step * number, asset_tag=f"AT-{number}") for number in range(count))
        return tuple(ticket_ref(ticket["id"]) for ticket in made)

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Give the ticket another title."""
        ticket = self._of(ref)
        self.desk.change(ticket, at, title=f"{ticket['title']} (again)")

    def delete(self, ref: SourceRef, *, at: datetime) -> None:  # noqa: ARG002
        """Not told by anything that is pulled."""
        raise NotApplicable(NOBODY_TELLS)

    def full_pages(self, stream: str) -> str:  # noqa: ARG002 - the same for all
        """By what its versions are known to do."""
        return "no version of Zammad gives pages of fewer than 20; a shorter one is taken for the last"

    def last_when_empty(self, stream: str) -> str:  # noqa: ARG002 - the same for all
        """A list is all of an answer."""
        return "Zammad answers with a list alone; one without rows is the only end there is"

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:  # noqa: ARG002
        """A ticket in a state of a type that no Zammad has."""
        self.desk.state_types["frobnicated"] = "sour"
        return ticket_ref(self.desk.open(at, state="frobnicated")["id"])

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:  # noqa: ARG002
        """A ticket with an attribute of a later release and a priority that nobody knows."""
        return ticket_ref(self.desk.open(at, priority="4 disaster", ai_mood="sour")["id"])

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """Change the ticket's title, and what a trigger then posts."""
        ticket = self._of(ref) if ref else self.desk.open(at)
        self.desk.change(ticket, at, title=f"{ticket['title']} still")
        return SentWebhook(ticket_ref(ticket["id"]), self.post(self.payload(ticket), at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """By one of Zammad's own templates."""
        return self.post({"username": "Zammad", "text": "# Switch is dead"}, at)

    def signature(self) -> Signature:
        """The HMAC covers the body."""
        return Signature(
            SIGNATURE.lower(),
            covers_body=True,
            expires_after=None,
            reason="Zammad signs no time; a webhook that is sent twice has the ticket read twice",
        )

    # WritesTickets

    def new_ticket(self) -> SourceRef:
        """Of a customer."""
        return ticket_ref(self.desk.open()["id"])

    def notes_of(self, ticket: SourceRef) -> list[str]:
        """Articles beside that with which it was opened."""
        return [each.body for each in self.desk.articles if str(each.ticket) == ticket.external_id][1:]

    def field_of(self, ticket: SourceRef, name: str) -> str:
        """Of the attribute."""
        return str(self._of(ticket)[name])

    def state_changes(self, ticket: SourceRef, state: TicketState) -> int:  # noqa: ARG002 - always the same
        """Told by the history."""
        return self._changes(ticket, "state", "closed")

    def field_changes(self, ticket: SourceRef, name: str, value: str) -> int:
        """Told by the history."""
        return self._changes(ticket, name, value)

    def refused_note(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - of any ticket
        """One that is too long."""
        return "x" * (LONGEST_ARTICLE + 1), "body"

    def refused_state(self, ticket: SourceRef) -> tuple[TicketState, str]:  # noqa: ARG002 - of any ticket
        """One that is not in use."""
        del self.desk.state_types["closed"]
        return TicketState.CLOSED, "state"

    def refused_field(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - of any ticket
        """What is none of the options."""
        return "environment", "moon"

    # What tests use beyond the kit

    def payload(self, ticket: Mapping[str, Any]) -> dict[str, Any]:
        """The default payload of a webhook, with people, group and priority as objects."""
        told = self.server.shown(ticket)
        names = {name: {"id": 1, "name": told[name]} for name in ("group", "priority")}
        people = {name: {"id": told[f"{name}_id"], "login": told[name]} for name in ("owner", "customer")}
        newest = [each for each in self.desk.articles if each.ticket == ticket["id"]][-1]
        return {"ticket": {**told, **names, **people}, "article": self.server.article(newest)}

    def post(self, payload: Mapping[str, object], at: datetime) -> WebhookRequest:
        """A webhook, signed."""
        return json_webhook(payload, at, lambda body: {SIGNATURE.lower(): f"sha1={hmac_hex(SECRET, body, 'sha1')}"})

    def _of(self, ref: SourceRef) -> dict[str, Any]:
        return self.desk.tickets[int(ref.external_id)]

    def _changes(self, ref: SourceRef, attribute: str, to: object) -> int:
        return self.desk.history.count(Change(int(ref.external_id), attribute, to))
