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
    hmac_hex,
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
from connector_glpi.mapping import asset_ref, read_asset_ref, read_product_ref
from connector_glpi.sandbox.highlevel import HighLevel
from connector_glpi.sandbox.inventory import CLOSED, Inventory, Row
from connector_glpi.sandbox.server import Apirest
from connector_glpi.tickets import ticket_ref
from connector_glpi.values import decoded, read_markup
from connector_glpi.webhook import ITEMTYPE, SIGNATURE, TIMESTAMP
from connector_glpi.words import WRITTEN_STATES

APP_TOKEN = "sandbox-app-token-f7g3csp8mgat"  # noqa: S105 - opens nothing but this sandbox
USER_TOKEN = "sandbox-user-token-q56hqkniwot8"  # noqa: S105
USER, PASSWORD = "connector", "sandbox-password-5d1f0c"
CLIENT = ("9b3a1d2f4e6c8a0b", "sandbox-client-secret-03be")
SECRET = "sandbox-webhook-secret-81c7"  # noqa: S105
ZONE = "Europe/Berlin"
FORM = {
    "grant_type": "password", "scope": "api", "client_id": CLIENT[0], "client_secret": CLIENT[1], "username": USER,
    "password": PASSWORD,
}  # fmt: skip
MAKER, MODEL = "Cisco", "Catalyst 9300-48P"


class GlpiSandbox(TicketSandbox):
    """GLPI in small, filled with what each stream needs. zone: in which v1 shows times."""

    longest_note, longest_field = 65_000, 255
    """Of followups nothing is documented, so the hub's own limit counts; of `externalid` its column."""
    field = ("externalid", "00340434161094042557")

    def __init__(self, clock: Clock, *, zone: str = ZONE) -> None:
        self._zone = zone
        self.inventory = Inventory(clock.now)
        self.server = Apirest(
            self.inventory, zone, app_token=APP_TOKEN, user_token=USER_TOKEN, login=f"{USER}:{PASSWORD}"
        )
        self.highlevel = HighLevel(self.inventory, zone, FORM)
        self._app = Starlette(routes=[*self.server.routes(), *self.highlevel.routes()])
        self._serials = 0
        self.maker = self.inventory.add("Manufacturer", name=MAKER)
        self.states = {
            name: self.inventory.add("State", name=name, completename=name)["id"]
            for name in ("In use", "In stock", "Defective")
        }

    def app(self) -> Starlette:
        """The server."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with small pages."""
        return {
            "base_url": "http://glpi.test", "app_token": APP_TOKEN, "user_token": USER_TOKEN, "time_zone": self._zone,
            "page_size": 5, "write_back": True, "device_types": ["Computer"], "read_links": False,
            "read_relations": False, "webhook_secret": SECRET,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a token that was made anew since."""
        return {**self.settings(), "user_token": "revoked-token-000000000000"}

    def times_twice(self, stream: str) -> str:  # noqa: ARG002 - all of them alike
        """Its times state no zone."""
        return "its times are local ones without a zone; those of an hour that comes twice are read as its beginning"

    # Pulls

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
        """Locations, devices of one model, or of one each, or tickets."""
        return tuple(self._seeded(stream, at + step * number) for number in range(count))

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Give it another name. Of a model, somebody enters it at a device, too."""
        if ref.kind is EntityKind.PRODUCT and (ids := read_product_ref(ref)):
            model = self.inventory.tables[f"{ids.kind}Model"][ids.model]
            model["name"] = f"{model['name']} (again)"
        row = self.row(ref)
        row["name"] = f"{row['name']} (again)"
        row["date_mod"] = at

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """As a person does it."""
        if ref.kind is EntityKind.PRODUCT:
            raise NotApplicable("a model that no device has any more is not told of; a full pull finds it")
        kind, number = self._place_of(ref)
        self.inventory.bin(kind, number, at)

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        """A latitude that is none, a name that is no text, a status or priority without meaning."""
        if stream == "places":
            return self._seeded(stream, at, latitude="north of here", longitude="1")
        if stream == "models":
            self.device(at, manufacturers_id="?")
            return None
        return self._seeded(stream, at, **({"priority": 9} if stream == "tickets" else {"serial": ["?"]}))

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        """Something of a later release, or of the customer's own."""
        haunted = self.inventory.add("State", name="Haunted", completename="Haunted")["id"]
        own = {"hardware": {"states_id": haunted}, "tickets": {"status": 10}}
        ref = self._seeded(stream, at, **own.get(stream, {}))
        self.row(ref)["ai_mood"] = {"id": 1, "name": "sour"}
        return ref

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """Change the name of a ticket or device, and what GLPI 11 then posts by itself."""
        ref = ref or ticket_ref(self.ticket(at)["id"])
        if ref.kind not in (EntityKind.TICKET, EntityKind.ASSET):
            raise NotApplicable("webhooks are set up for tickets and devices; of the rest a pull tells")
        self.touch(ref, at=at)
        kind, number = self._place_of(ref)
        return SentWebhook(ref, self.post({"event": "update", "item": {"id": number, "name": "still"}}, at, kind))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """Of a type that is not read."""
        return self.post({"event": "new", "item": {"id": 1, "name": "Certificate"}}, at, "Certificate")

    def signature(self) -> Signature:
        """The HMAC covers body and time."""
        return Signature(
            SIGNATURE,
            covers_body=True,
            expires_after=None,
            reason="the queue of GLPI sends a webhook when its cron comes to it, and tries again",
        )

    def post(self, body: Mapping[str, object], at: datetime, kind: str) -> WebhookRequest:
        """A post of a webhook whose address names the type."""
        time = str(int(at.timestamp()))
        sent = json_webhook(body, at, lambda raw: {SIGNATURE: hmac_hex(SECRET, raw + time.encode()), TIMESTAMP: time})
        return replace(sent, query={ITEMTYPE: kind})

    # WritesTickets

    def new_ticket(self) -> SourceRef:
        """A ticket."""
        return ticket_ref(self.ticket()["id"])

    def notes_of(self, ticket: SourceRef) -> list[str]:
        """Followups without their keys."""
        rows = self.inventory.tables["ITILFollowup"].values()
        texts = [read_markup(row["content"]) for row in rows if row["items_id"] == int(ticket.external_id)]
        return [text.rpartition("[connector:")[0].strip() for text in texts]

    def field_of(self, ticket: SourceRef, name: str) -> str:
        """As it is kept."""
        return decoded(str(self.row(ticket)[name]))

    def state_changes(self, ticket: SourceRef, state: TicketState) -> int:
        """Told by the log."""
        return self._logged(ticket, "status", WRITTEN_STATES[state])

    def field_changes(self, ticket: SourceRef, name: str, value: str) -> int:
        """Told by the log."""
        return self._logged(ticket, name, value)

    def refused_note(self, ticket: SourceRef) -> tuple[str, str]:
        """On a closed ticket."""
        self.row(ticket)["status"] = CLOSED
        return "too late", "content"

    def refused_state(self, ticket: SourceRef) -> tuple[TicketState, str]:  # noqa: ARG002 - any ticket
        """The life cycle of the user's profile does not lead there."""
        self.inventory.life_cycles.add(CLOSED)
        return TicketState.CLOSED, "status"

    def refused_field(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - no ticket has it
        """A column that does not exist."""
        return "waybill", "1"

    # WritesAssets

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """A spare of the depot is put in place of a device."""
        return self._swap(key) if kind is RecordSwap else super().operation(kind, key)

    def effects(self, operation: Operation) -> int:
        """Told by the log, once the failed device is out of use."""
        if not isinstance(operation, RecordSwap):
            return super().effects(operation)
        changes = self._logged(operation.record, "comment")
        if operation.replacement is None or operation.failed is None:
            return changes
        return changes if self.row(operation.failed)["states_id"] == self.states["Defective"] else 0

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """An inventory number that another device has, where a unicity rule forbids it."""
        if kind is not RecordSwap:
            return super().refused_operation(kind, key)
        self.inventory.unique.add("otherserial")
        self.device(otherserial="AT-1")
        return Refused(replace(self._swap(key), asset_tag="AT-1"), "otherserial")

    def settings_without_write_back(self) -> Mapping[str, object]:
        """As they are by default."""
        return {name: value for name, value in self.settings().items() if name != "write_back"}

    def unknown_asset(self) -> SourceRef:
        """An id that was never given."""
        return asset_ref("Computer", 987654)

    # Things

    def location(self, at: datetime | None = None, **values: Any) -> Row:
        """A location."""
        name = f"Site {len(self.inventory.tables['Location'])} & yard"
        usual = {"name": name, "completename": name, "latitude": "48.208176", "longitude": "16.373819"}
        return self._kept("Location", at, usual | values)

    def model(self, kind: str = "Computer", **values: Any) -> Row:
        """A model."""
        count = len(self.inventory.tables[f"{kind}Model"])
        return self._kept(f"{kind}Model", None, {"name": MODEL if not count else f"{MODEL}/{count}"} | values)

    def device(self, at: datetime | None = None, kind: str = "Computer", **values: Any) -> Row:
        """A device in use, of the first model."""
        models = self.inventory.tables[f"{kind}Model"]
        model = next(iter(models.values()), None) or self.model(kind)
        self._serials += 1
        usual = {
            "name": f"sw-{self._serials}", "serial": f"FOC{self._serials:05}", "otherserial": f"A-{self._serials:05}",
            f"{kind.lower()}models_id": model["id"], "manufacturers_id": self.maker["id"],
            "states_id": self.states["In use"],
        }  # fmt: skip
        return self._kept(kind, at, usual | values)

    def ticket(self, at: datetime | None = None, **values: Any) -> Row:
        """A ticket."""
        usual = {"name": "No link", "content": "<p>The switch is <b>dead</b></p>", "date": at or self._ago}
        return self._kept("Ticket", at, usual | values)

    def row(self, ref: SourceRef) -> Row:
        """The row of a reference."""
        kind, number = self._place_of(ref)
        return self.inventory.tables[kind][number]

    @property
    def _ago(self) -> datetime:
        return self.inventory.now() - timedelta(days=1)

    def _kept(self, kind: str, at: datetime | None, values: Row) -> Row:
        return self.inventory.add(kind, at, **{name: self.inventory.kept(value) for name, value in values.items()})

    def _seeded(self, stream: str, at: datetime, **values: Any) -> SourceRef:
        if stream == "places":
            return SourceRef(kind=EntityKind.SITE, external_id=str(self.location(at, **values)["id"]))
        if stream == "tickets":
            return ticket_ref(self.ticket(at, **values)["id"])
        if stream == "hardware":
            return asset_ref("Computer", self.device(at, **values)["id"])
        model = self.model()["id"]
        self.device(at, computermodels_id=model, **values)
        return SourceRef(kind=EntityKind.PRODUCT, external_id=f"ComputerModel-{model}-{self.maker['id']}")

    def _place_of(self, ref: SourceRef) -> tuple[str, int]:
        if ref.kind is EntityKind.ASSET and (known := read_asset_ref(ref)):
            return known
        if ref.kind is EntityKind.PRODUCT and (ids := read_product_ref(ref)):
            devices = self.inventory.tables[ids.kind].values()
            return ids.kind, next(row["id"] for row in devices if row["computermodels_id"] == ids.model)
        return "Ticket" if ref.kind is EntityKind.TICKET else "Location", int(ref.external_id)

    def _logged(self, ref: SourceRef, column: str, value: object = None) -> int:
        kind, number = self._place_of(ref)
        return sum(
            (table, row) == (kind, number) and column in changed and value in (None, changed[column])
            for table, row, changed in self.inventory.log
        )

    def _swap(self, key: IdempotencyKey) -> RecordSwap:
        site, depot = self.location(name="Vienna"), self.location(name="Depot")
        failed = self.device(locations_id=site["id"])
        spare = self.device(locations_id=depot["id"], states_id=self.states["In stock"])
        model = failed["computermodels_id"]
        return RecordSwap(
            key=key, failed=asset_ref("Computer", failed["id"]), replacement=asset_ref("Computer", spare["id"]),
            failed_serial=failed["serial"], serial=spare["serial"], asset_tag=spare["otherserial"],
            product=ProductKey(manufacturer=MAKER, model=MODEL),
            product_ref=SourceRef(kind=EntityKind.PRODUCT, external_id=f"ComputerModel-{model}-{self.maker['id']}"),
            site=SourceRef(kind=EntityKind.SITE, external_id=str(site["id"])), reference="4711",
        )  # fmt: skip


class GlpiV2Sandbox(GlpiSandbox):
    """The same over the high-level API."""

    field = ("external_id", "00340434161094042557")

    def times_twice(self, stream: str) -> str:  # noqa: ARG002 - all of them alike
        """Times of v2 state their zone."""
        return ""

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with small pages."""
        tokens = ("app_token", "user_token", "time_zone")
        shared = {name: value for name, value in super().settings().items() if name not in tokens}
        return {
            **shared, "api": "v2", "client_id": CLIENT[0], "client_secret": CLIENT[1], "username": USER,
            "password": PASSWORD,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a password of before."""
        return {**self.settings(), "password": "an-older-password-0000"}

    def field_of(self, ticket: SourceRef, name: str) -> str:
        """As it is kept, by the name of its column."""
        return super().field_of(ticket, "externalid" if name == "external_id" else name)

    def field_changes(self, ticket: SourceRef, name: str, value: str) -> int:
        """Told by the log, by the name of its column."""
        return super().field_changes(ticket, "externalid" if name == "external_id" else name, value)
