"""SANDBOX: the whole sandbox system, as the contract kit handles it."""

from __future__ import annotations

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
    Operation,
    OperationKind,
    Refused,
    SentWebhook,
    Signature,
    TicketSandbox,
    json_webhook,
)
from connector_itop.mapping import ref_of
from connector_itop.sandbox.inventory import Inventory, Row
from connector_itop.sandbox.server import Services
from connector_itop.webhook import SCHEME, SECRET_HEADER
from connector_itop.words import WRITTEN_STATES

USER, PASSWORD = "connector", "sandbox-password-7a20f9"
TOKEN = "sandbox-personal-token-1b8fd2e6c3"  # noqa: S105 - opens nothing but this sandbox
SECRET = "sandbox-webhook-secret-5c41"  # noqa: S105 - opens nothing but this sandbox
ZONE = "Europe/Berlin"
TOP = {
    EntityKind.SITE: "Location", EntityKind.HUB: "Location", EntityKind.PRODUCT: "Model",
    EntityKind.ASSET: "PhysicalDevice", EntityKind.TICKET: "Ticket",
}  # fmt: skip


class ItopSandbox(TicketSandbox):
    """iTop in small, filled with what each stream needs. zone: of the server."""

    longest_note, longest_field = 65_000, 255
    """A log is a LONGTEXT, so the hub's own limit counts; `escalation_reason` is a VARCHAR of 255."""
    field = ("escalation_reason", "00340434161094042557")

    def __init__(self, clock: Clock, *, zone: str = ZONE) -> None:
        self._zone = zone
        self.inventory = Inventory(clock.now)
        self.server = Services(self.inventory, zone, user=USER, password=PASSWORD, token=TOKEN)
        self._app = Starlette(routes=self.server.routes())
        self._serials = 0
        long_ago = clock.now() - timedelta(days=400)
        add = self.inventory.add
        self.organization = add("Organization", long_ago, name="Demo")
        self.brand = add("Brand", long_ago, name="Cisco")
        self.team = add("Team", long_ago, name="Field service")
        self.agent = add("Person", long_ago, name="Lovelace", first_name="Ada")
        self.service = add("Service", long_ago, name="Hardware")
        self.subcategory = add("ServiceSubcategory", long_ago, name="Replacement")

    def app(self) -> Starlette:
        """The server."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with small pages."""
        return {
            "base_url": "http://itop.test", "username": USER, "password": PASSWORD, "time_zone": self._zone,
            "webhook_secret": SECRET, "page_size": 5, "write_back": True, "device_classes": ["PC", "NetworkDevice"],
            "stimulus_fields": {
                "ev_assign": {"team_id": {"name": "Field service"}, "agent_id": {"name": "Lovelace"}},
                "ev_resolve": {"service_id": self.service["id"], "servicesubcategory_id": self.subcategory["id"]},
            },
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a password of before."""
        return {**self.settings(), "password": "an-older-password-0000"}

    def times_twice(self, stream: str) -> str:  # noqa: ARG002 - all of them alike
        """Its times state no zone."""
        return "its times are local ones without a zone; those of an hour that comes twice are read as its beginning"

    # Pulls

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
        """Locations, models, devices of one model, or user requests."""
        return tuple(self._seeded(stream, at + step * number) for number in range(count))

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Give it another name, or title."""
        row = self.row(ref)
        name = "title" if "title" in row else "name"
        self.inventory.change(row, {name: f"{row[name]} (again)"}, "My first name My last name", at)

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """As a person does it."""
        self.inventory.delete(self.row(ref), at)

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        """No name, a serial that is no text, a priority without meaning."""
        own: dict[str, Row] = {"tickets": {"priority": "9"}, "hardware": {"end_of_warranty": "one day"}}
        return self._seeded(stream, at, **own.get(stream, {"name": ""}))

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        """A status of the customer's own, a kind of model of a later release."""
        own: dict[str, Row] = {
            "hardware": {"status": "haunted"}, "tickets": {"status": "sour"}, "models": {"type": "Robot"}
        }  # fmt: skip
        return self._seeded(stream, at, **own.get(stream, {"country": "Atlantis"}))

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """Change the object, and what an action with the payload of the README then posts."""
        about = ref or ref_of(EntityKind.TICKET, self.ticket(at)["id"])
        self.touch(about, at=at)
        told = {"class": self.row(about)["finalclass"], "id": about.external_id}
        return SentWebhook(about, self.post(told, at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """Of a trigger on something that is no hardware."""
        return self.post({"class": "ApplicationSolution", "id": "12"}, at)

    def signature(self) -> Signature:
        """A secret that is sent along."""
        why = "iTop's extension signs nothing; a header of one's own is all that it can send"
        return Signature(SECRET_HEADER.lower(), covers_body=False, expires_after=None, reason=why)

    def post(self, payload: object, at: datetime) -> WebhookRequest:
        """A webhook with its secret."""
        return json_webhook(payload, at, lambda _: {SECRET_HEADER.lower(): SCHEME + SECRET})

    # WritesTickets

    def new_ticket(self) -> SourceRef:
        """A user request."""
        return ref_of(EntityKind.TICKET, self.ticket()["id"])

    def notes_of(self, ticket: SourceRef) -> list[str]:
        """Entries of either log."""
        row = self.row(ticket)
        return [str(entry["message"]) for entry in (*row["private_log"], *row["public_log"])]

    def field_of(self, ticket: SourceRef, name: str) -> str:
        """As it is kept."""
        return str(self.row(ticket)[name])

    def state_changes(self, ticket: SourceRef, state: TicketState) -> int:
        """Told by the log."""
        return self._logged(ticket, "status", WRITTEN_STATES[state])

    def field_changes(self, ticket: SourceRef, name: str, value: str) -> int:
        """Told by the log."""
        return self._logged(ticket, name, value)

    def refused_note(self, ticket: SourceRef) -> tuple[str, str]:
        """A check of the data model's does not let anybody change the ticket."""
        self.inventory.frozen.add(int(ticket.external_id))
        return "too late", "private_log"

    def refused_state(self, ticket: SourceRef) -> tuple[TicketState, str]:
        """Nothing leads out of closed."""
        self.row(ticket)["status"] = "closed"
        return TicketState.IN_PROGRESS, "status"

    def refused_field(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - no ticket has it
        """An attribute that does not exist."""
        return "waybill", "1"

    # WritesAssets

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """A spare of the depot is put in place of a device."""
        return self._swap(key) if kind is RecordSwap else super().operation(kind, key)

    def effects(self, operation: Operation) -> int:
        """Told by the log, once the failed device is out of use."""
        if not isinstance(operation, RecordSwap):
            return super().effects(operation)
        changes = self._logged(operation.record, "description")
        if operation.replacement is None or operation.failed is None:
            return changes
        return changes if self.row(operation.failed)["status"] == "obsolete" else 0

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """An asset number that another device has, where a uniqueness rule forbids it."""
        if kind is not RecordSwap:
            return super().refused_operation(kind, key)
        self.inventory.unique.add("asset_number")
        self.device(asset_number="AT-1")
        return Refused(replace(self._swap(key), asset_tag="AT-1"), "asset_number")

    def settings_without_write_back(self) -> Mapping[str, object]:
        """As they are by default."""
        return {name: value for name, value in self.settings().items() if name != "write_back"}

    def unknown_asset(self) -> SourceRef:
        """An id that was never given."""
        return ref_of(EntityKind.ASSET, 987654)

    # Things

    def location(self, at: datetime | None = None, **values: Any) -> Row:
        """A location."""
        usual = {"name": f"Site {len(self.inventory.objects['Location'])} & yard", "city": "Vienna", "country": "AT"}
        return self.inventory.add("Location", at, **{**usual, **values})

    def model(self, **values: Any) -> Row:
        """A model."""
        usual = {"name": f"C9300/{len(self.inventory.objects['Model'])}", "brand_id": self.brand["id"]}
        return self.inventory.add("Model", **{**usual, "type": "NetworkDevice", **values})

    def device(self, at: datetime | None = None, kind: str = "PC", **values: Any) -> Row:
        """A device in production, of the first model. Some have the same name."""
        model = next(iter(self.inventory.objects["Model"].values()), None) or self.model()
        self._serials += 1
        usual = {
            "name": f"sw-{self._serials % 3}", "serialnumber": f"FOC{self._serials:05}",
            "asset_number": f"A-{self._serials:05}", "model_id": model["id"], "brand_id": model["brand_id"],
        }  # fmt: skip
        return self.inventory.add(kind, at, **{**usual, **values})

    def ticket(self, at: datetime | None = None, kind: str = "UserRequest", **values: Any) -> Row:
        """A ticket."""
        usual = {"title": "No link", "description": "<p>The switch is <b>dead</b></p>", "start_date": at}
        return self.inventory.add(kind, at, **{**usual, **values})

    def row(self, ref: SourceRef) -> Row:
        """The object of a reference."""
        found = self.inventory.find(TOP[ref.kind], int(ref.external_id))
        if found is None:
            raise KeyError(str(ref))
        return found

    def _seeded(self, stream: str, at: datetime, **values: Any) -> SourceRef:
        match stream:
            case "places":
                return ref_of(EntityKind.SITE, self.location(at, **values)["id"])
            case "models":
                return ref_of(EntityKind.PRODUCT, self.model(**values)["id"])
            case "hardware":
                return ref_of(EntityKind.ASSET, self.device(at, **values)["id"])
            case _:
                return ref_of(EntityKind.TICKET, self.ticket(at, **values)["id"])

    def _logged(self, ref: SourceRef, name: str, value: object = None) -> int:
        row = self.row(ref)
        return sum(
            (kind, number) == (row["finalclass"], row["id"]) and name in changed and value in (None, changed[name])
            for kind, number, changed in self.inventory.log
        )

    def _swap(self, key: IdempotencyKey) -> RecordSwap:
        site, depot = self.location(name="Vienna"), self.location(name="Depot")
        failed = self.device(location_id=site["id"])
        spare = self.device(location_id=depot["id"], status="stock")
        return RecordSwap(
            key=key, failed=ref_of(EntityKind.ASSET, failed["id"]),
            replacement=ref_of(EntityKind.ASSET, spare["id"]), failed_serial=failed["serialnumber"],
            serial=spare["serialnumber"], asset_tag=spare["asset_number"],
            product=ProductKey(manufacturer="Cisco", model="C9300/0"),
            product_ref=ref_of(EntityKind.PRODUCT, failed["model_id"]),
            site=ref_of(EntityKind.SITE, site["id"]), reference="R-000001",
        )  # fmt: skip
