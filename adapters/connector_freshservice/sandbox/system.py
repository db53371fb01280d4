"""SANDBOX: the whole sandbox system, as the contract kit handles it."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from starlette.applications import Starlette

from connector.sdk import (
    Clock,
    EntityKind,
    IdempotencyKey,
    ProductKey,
    RecordSwap,
    SourceRef,
    TicketState,
    WebhookRequest,
)
from connector.sdk.testing import (
    NotApplicable,
    Operation,
    OperationKind,
    Refused,
    SentWebhook,
    Signature,
    TicketSandbox,
    json_webhook,
)
from connector_freshservice.assets import asset_ref, product_ref
from connector_freshservice.config import WRITTEN_STATES
from connector_freshservice.sandbox.account import HARDWARE, LAPTOP, LONGEST_FIELD, LONGEST_NOTE, PRIMARY, Account, Row
from connector_freshservice.sandbox.server import Server
from connector_freshservice.tickets import ticket_ref
from connector_freshservice.webhook import SECRET_HEADER

KEY = "sandbox-key-5e1b7c90d2af"
SECRET = "sandbox-webhook-secret-77f0"  # noqa: S105 - opens nothing but this sandbox
MAKER, MODEL = "Lenovo", "ThinkPad T14"
TABLES = {EntityKind.SITE: "locations", EntityKind.PRODUCT: "products", EntityKind.ASSET: "assets",
          EntityKind.TICKET: "tickets"}  # fmt: skip


class FreshserviceSandbox(TicketSandbox):
    """Freshservice in small: numbered pages, seconds, a trash, fields by type, workspaces."""

    longest_note, longest_field = LONGEST_NOTE, LONGEST_FIELD
    field = ("Tracking number", "00340434161094042557")
    next_state = TicketState.ON_HOLD

    def __init__(self, clock: Clock) -> None:
        self.account = Account(clock.now)
        self.server = Server(self.account, f"Basic {base64.b64encode(f'{KEY}:X'.encode()).decode()}")
        self._app = self.server.app()
        self._serials = 0

    def app(self) -> Starlette:
        """The server."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with the smallest pages, and as many requests a minute as one likes."""
        return {
            "base_url": "http://desk.test", "api_key": KEY, "webhook_secret": SECRET, "page_size": 20,
            "write_back": True, "requests_per_minute": None, "associations": "none",
            "read_relations": True,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a key that was made anew since."""
        return {**self.settings(), "api_key": "revoked-key-000000000000"}

    def settings_without_write_back(self) -> Mapping[str, object]:
        """As they are by default."""
        return {name: value for name, value in self.settings().items() if name != "write_back"}

    # Pulls

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
        """Locations, products, assets of one product, or tickets."""
        return tuple(self._seeded(stream, at + step * number) for number in range(count))

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Give it another name."""
        row = self.row(ref)
        name = "subject" if ref.kind is EntityKind.TICKET else "name"
        row[name] = f"{row[name]} (again)"
        row["updated_at"] = at

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """As a person does it: tickets and assets go to the trash."""
        row = self.row(ref)
        if ref.kind in (EntityKind.SITE, EntityKind.PRODUCT):
            del self.account.tables[TABLES[ref.kind]][row["id"]]
        else:
            row["updated_at"] = at
            row["trashed" if ref.kind is EntityKind.ASSET else "deleted"] = True

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        """An address that is a text, a product of no manufacturer, no day, a status without meaning."""
        own: dict[str, Row] = {
            "places": {"address": "north of here"}, "models": {"manufacturer": None},
            "hardware": {"warranty": "2026-13-45"}, "tickets": {"status": 6},
        }  # fmt: skip
        return self._seeded(stream, at, **own[stream])

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        """Something of a later release, or of the customer's own."""
        own: dict[str, Row] = {"models": {"status": "Haunted"}, "hardware": {"state": "Haunted"},
                               "tickets": {"type": "Seance", "priority": 9}}  # fmt: skip
        return self._seeded(stream, at, ai_mood={"id": 1, "name": "sour"}, **own.get(stream, {}))

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """Change the ticket's subject, and what a workflow then posts."""
        about = ref or ticket_ref(self.ticket(at)["id"])
        self.touch(about, at=at)
        name = "asset_id" if about.kind is EntityKind.ASSET else "ticket_id"
        return SentWebhook(about, self.post({name: about.external_id}, at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """Of a workflow that somebody made for something else."""
        return self.post({"freshservice_mood": "sour"}, at)

    def signature(self) -> Signature:
        """A secret that is sent along."""
        why = "the workflow automator signs nothing; a header of one's own is all that it can send"
        return Signature(SECRET_HEADER.lower(), covers_body=False, expires_after=None, reason=why)

    def post(self, payload: Mapping[str, object], at: datetime) -> WebhookRequest:
        """A webhook with its secret."""
        return json_webhook(payload, at, lambda _: {SECRET_HEADER.lower(): SECRET})

    # WritesTickets

    def new_ticket(self) -> SourceRef:
        """A ticket."""
        return ticket_ref(self.ticket()["id"])

    def notes_of(self, ticket: SourceRef) -> list[str]:
        """Notes and replies without their keys."""
        rows = self.account.tables["conversations"].values()
        texts = [row["body_text"] for row in rows if row["ticket_id"] == int(ticket.external_id)]
        return [text.rpartition("[connector:")[0].strip() for text in texts]

    def field_of(self, ticket: SourceRef, name: str) -> str:  # noqa: ARG002 - always the same
        """As it is kept."""
        return str(self.row(ticket)["custom_fields"]["tracking_number"])

    def state_changes(self, ticket: SourceRef, state: TicketState) -> int:
        """Told by the log."""
        return self._logged(ticket, "status", int(WRITTEN_STATES[state]))

    def field_changes(self, ticket: SourceRef, name: str, value: str) -> int:  # noqa: ARG002 - always the same
        """Told by the log."""
        return self._logged(ticket, "tracking_number", value)

    def refused_note(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - of any ticket
        """One that is too long."""
        return "x" * (LONGEST_NOTE + 201), "body"

    def refused_state(self, ticket: SourceRef) -> tuple[TicketState, str]:  # noqa: ARG002 - any ticket
        """A custom field has to be filled before."""
        self.account.closing_needs = "cost_centre"
        return TicketState.RESOLVED, "cost_centre"

    def refused_field(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - any ticket
        """What cannot be chosen."""
        return "Cost centre", "Moon"

    # WritesAssets

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """A spare of the depot is put in place of a device."""
        return self.swap(key) if kind is RecordSwap else super().operation(kind, key)

    def effects(self, operation: Operation) -> int:
        """Told by the log, once the failed device is out of use."""
        if not isinstance(operation, RecordSwap):
            return super().effects(operation)
        changes = self._logged(operation.record, "description")
        if operation.replacement is None or operation.failed is None:
            return changes
        state = self.row(operation.failed)["type_fields"][f"asset_state_{HARDWARE}"]
        return changes if state == "Retired" else 0

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """An asset tag that another asset has."""
        if kind is not RecordSwap:
            return super().refused_operation(kind, key)
        return Refused(replace(self.swap(key), asset_tag=self.asset()["asset_tag"]), "asset_tag")

    def unknown_asset(self) -> SourceRef:
        """An id that was never given."""
        return asset_ref(987654)

    def swap(self, key: IdempotencyKey = "wf-1:swap") -> RecordSwap:
        """A spare of the depot replaces a device."""
        site, depot = self.location(name="Vienna"), self.location(name="Depot")
        failed = self.asset(location_id=site["id"], user_id=900)
        spare = self.asset(location_id=depot["id"], state="In Stock")
        product = failed["type_fields"][f"product_{HARDWARE}"]
        return RecordSwap(
            key=key, failed=asset_ref(failed["display_id"]), replacement=asset_ref(spare["display_id"]),
            failed_serial=failed["type_fields"][f"serial_number_{HARDWARE}"],
            serial=spare["type_fields"][f"serial_number_{HARDWARE}"], asset_tag=spare["asset_tag"],
            product=ProductKey(manufacturer=MAKER, model=MODEL), product_ref=product_ref(product),
            site=SourceRef(kind=EntityKind.SITE, external_id=str(site["id"])), reference="4711",
        )  # fmt: skip

    # Things

    def location(self, at: datetime | None = None, **values: Any) -> Row:
        """A location."""
        address = {"line1": "Am Kai 1", "line2": None, "city": "Hamburg", "state": None, "country": "DE",
                   "zipcode": "20457"}  # fmt: skip
        usual = {"name": f"Hall {len(self.account.tables['locations'])} & yard", "parent_location_id": None,
                 "address": address, "contact_name": None, "email": None, "phone": None}  # fmt: skip
        return self.account.add("locations", at, **(usual | values))

    def product(self, at: datetime | None = None, **values: Any) -> Row:
        """A product."""
        count = len(self.account.tables["products"])
        usual = {"name": MODEL if not count else f"{MODEL}/{count}", "manufacturer": MAKER, "asset_type_id": LAPTOP,
                 "status": "In Production"}  # fmt: skip
        return self.account.add("products", at, **(usual | values))

    def asset(self, at: datetime | None = None, **values: Any) -> Row:
        """A laptop in use, of the first product. state, serial, warranty: of its type."""
        products = self.account.tables["products"]
        product = next(iter(products.values()), None) or self.product()
        self._serials += 1
        fields = {
            f"product_{HARDWARE}": product["id"], f"asset_state_{HARDWARE}": values.pop("state", "In Use"),
            f"serial_number_{HARDWARE}": values.pop("serial", f"PF{self._serials:05}"),
            f"warranty_expiry_date_{HARDWARE}": values.pop("warranty", "2029-03-31T00:00:00Z"),
            f"revision_{LAPTOP}": values.pop("revision", None),
        }  # fmt: skip
        usual = {
            "name": f"nb-{self._serials}", "description": None, "asset_type_id": LAPTOP,
            "asset_tag": f"A-{self._serials:05}", "user_id": None, "department_id": None, "location_id": None,
            "agent_id": None, "group_id": None, "workspace_id": PRIMARY, "trashed": False, "type_fields": fields,
        }  # fmt: skip
        row = self.account.add("assets", at, **(usual | values))
        row["display_id"] = row["id"] + 1000
        return row

    def ticket(self, at: datetime | None = None, **values: Any) -> Row:
        """A ticket of nobody yet."""
        usual = {
            "subject": "The laptop is dead", "description": "<div>It does <b>nothing</b></div>",
            "description_text": "It does nothing", "type": "Incident", "status": 2, "priority": 3, "group_id": 9,
            "responder_id": None, "requester_id": 900, "department_id": None, "workspace_id": PRIMARY, "category": None,
            "sub_category": None, "item_category": None, "due_by": None, "deleted": False, "spam": False, "source": 2,
            "custom_fields": {"tracking_number": None}, "assets": [],
        }  # fmt: skip
        return self.account.add("tickets", at, **(usual | values))

    def row(self, ref: SourceRef) -> Row:
        """The row of a reference."""
        number = int(ref.external_id)
        if ref.kind is EntityKind.ASSET:
            number -= 1000
        return self.account.tables[TABLES[ref.kind]][number]

    def _seeded(self, stream: str, at: datetime, **values: Any) -> SourceRef:
        match stream:
            case "places":
                return SourceRef(kind=EntityKind.SITE, external_id=str(self.location(at, **values)["id"]))
            case "models":
                return product_ref(self.product(at, **values)["id"])
            case "hardware":
                return asset_ref(self.asset(at, **values)["display_id"])
            case "tickets":
                return ticket_ref(self.ticket(at, **values)["id"])
        raise NotApplicable(f"there is no stream {stream}")

    def _logged(self, ref: SourceRef, name: str, value: object = None) -> int:
        number = self.row(ref)["id"]
        return sum(
            (table, row) == (TABLES[ref.kind], number) and name in changed and value in (None, changed[name])
            for table, row, changed in self.account.log
        )
