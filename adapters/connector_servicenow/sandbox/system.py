"""SANDBOX: the whole sandbox system, as the contract kit handles it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import datetime, timedelta

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
    hmac_base64,
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
from connector_servicenow.sandbox.instance import Instance, Row
from connector_servicenow.sandbox.server import Server
from connector_servicenow.webhook import SIGNATURE
from connector_servicenow.words import WRITTEN_STATES

USER, PASSWORD = "connector", "sandbox-password-5d1f0c"
SECRET = "sandbox-webhook-secret-77ab"  # noqa: S105
API_KEY = "sandbox-api-key-9c2e41f7"
CLIENT = ("5f2c8b1e0a6d4c7e", "sandbox-client-secret-03be")
PAGE = 6
LONG_AGO = timedelta(days=400)
TABLES = {
    "places": ("cmn_location", EntityKind.SITE),
    "models": ("cmdb_hardware_product_model", EntityKind.PRODUCT),
    "hardware": ("alm_hardware", EntityKind.ASSET),
    "tickets": ("incident", EntityKind.TICKET),
    "deletions": ("alm_hardware", EntityKind.ASSET),
}


class ServiceNowSandbox(TicketSandbox):
    """ServiceNow in small, filled with what each stream needs."""

    longest_note, longest_field = 65_000, 100
    """Of notes nothing is documented, so the hub's own limit counts."""
    next_state = TicketState.RESOLVED
    field = ("u_tracking_number", "00340434161094042557")

    def __init__(self, clock: Clock) -> None:
        self.instance = Instance(clock)
        self.server = Server(self.instance, user=USER, password=PASSWORD, api_key=API_KEY, client=CLIENT)
        self._app = self.server.app()
        self._long_ago = clock.now() - LONG_AGO
        self._maker = self.instance.add("core_company", self._long_ago, name="Cisco", manufacturer="true")

    def app(self) -> Starlette:
        """The server."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings that fit, with small pages."""
        return {
            "base_url": "http://servicenow.test", "username": USER, "password": PASSWORD, "webhook_secret": SECRET,
            "page_size": PAGE, "write_back": True,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with an old password."""
        return {**self.settings(), "password": "an-older-password-0000"}

    # Pulls

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
        """Rows of the stream's first table; of the deletions devices that are gone."""
        refs = tuple(self._add(stream, at=at + step * number) for number in range(count))
        if stream == "deletions":
            for number, ref in enumerate(refs):
                self.instance.remove(ref.external_id, at + step * number)
        return refs

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Change what the row is called."""
        row = self._row(ref)
        column = {EntityKind.TICKET: "short_description", EntityKind.ASSET: "asset_tag"}.get(ref.kind, "name")
        self.instance.change(ref.external_id, at, **{column: f"{row[column]} again"})

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """Delete the row, of which sys_audit_delete tells."""
        self._row(ref)
        self.instance.remove(ref.external_id, at)

    def full_pages(self, stream: str) -> str:  # noqa: ARG002 - the same for all
        """Rows that may not be read are left out, and counted all the same."""
        return "ServiceNow leaves out rows that the account may not read, and counts them: short pages tell nothing"

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        """A row without what its record needs."""
        ref = self._add(stream, at=at)
        if stream == "deletions":
            self.instance.remove(ref.external_id, at)
            next(row for row in self.instance.of("sys_audit_delete") if row["documentkey"] == ref.external_id).update(
                documentkey=""
            )
            return None
        wrong: dict[str, Row] = {
            "places": {"latitude": "north of here", "longitude": "1"},
            "models": {"manufacturer": ""},
            "hardware": {"install_status": ""},
            "tickets": {"state": ""},
        }
        self._row(ref).update(wrong[stream])
        return ref

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        """A row with a column of the next release and a value of somebody's own."""
        ref = self._add(stream, at=at)
        if stream == "deletions":
            self.instance.remove(ref.external_id, at)
            return ref
        own = {"models": {"status": "Haunted"}, "hardware": {"install_status": "77"}, "tickets": {"state": "42"}}
        self._row(ref).update({"mood": "fine", **own.get(stream, {})})
        return ref

    # ReceivesWebhooks

    def webhook(self, ref: SourceRef | None = None, *, at: datetime) -> SentWebhook:
        """Change a ticket and what the business rule then posts."""
        ref = ref or self._add("tickets", at=at)
        self.touch(ref, at=at)
        return SentWebhook(ref, self.post("incident", "update", ref.external_id, at))

    def webhook_of_unknown_kind(self, *, at: datetime) -> WebhookRequest:
        """The business rule was put on a table that is not read."""
        return self.post("kb_knowledge", "update", "0" * 32, at)

    def signature(self) -> Signature:
        """HMAC over the body, which holds the time."""
        return Signature(SIGNATURE.lower(), expires_after=timedelta(minutes=15))

    def post(self, table: str, operation: str, sys_id: str, at: datetime) -> WebhookRequest:
        """What the business rule of the README posts."""
        content = {"table": table, "sys_id": sys_id, "operation": operation, "timestamp": f"{at:%Y-%m-%dT%H:%M:%S}Z"}
        return json_webhook(content, at, lambda body: {SIGNATURE.lower(): hmac_base64(SECRET, body)})

    # WritesTickets

    def new_ticket(self) -> SourceRef:
        """An incident."""
        return self._add("tickets", at=self._long_ago)

    def notes_of(self, ticket: SourceRef) -> list[str]:
        """Notes without their keys."""
        found = [entry.text for entry in self.instance.journal if entry.task == ticket.external_id]
        return [text.rpartition("\n\n[connector:")[0] for text in found]

    def field_of(self, ticket: SourceRef, name: str) -> str:
        """As it is kept."""
        return self._row(ticket)[name]

    def state_changes(self, ticket: SourceRef, state: TicketState) -> int:
        """Told by the changes that were made."""
        return self._changed(ticket, "state", WRITTEN_STATES["incident"][state])

    def field_changes(self, ticket: SourceRef, name: str, value: str) -> int:
        """Told by the changes that were made."""
        return self._changed(ticket, name, value)

    def refused_note(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - no ticket has one
        """There is none."""
        raise NotApplicable("ServiceNow takes any note")

    def refused_state(self, ticket: SourceRef) -> tuple[TicketState, str]:  # noqa: ARG002 - no ticket can
        """A data policy asks for a column that the settings do not write."""
        self.instance.mandatory["6"] = ("close_code", "u_branch")
        return TicketState.RESOLVED, "state"

    def refused_field(self, ticket: SourceRef) -> tuple[str, str]:  # noqa: ARG002 - no ticket has it
        """A column that does not exist."""
        return "u_waybill", "1"

    # WritesAssets

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """A spare of a stockroom is put in place of a device."""
        return self._swap(key) if kind is RecordSwap else super().operation(kind, key)

    def effects(self, operation: Operation) -> int:
        """Told by the changes that were made, once the failed device is out of use."""
        if not isinstance(operation, RecordSwap):
            return super().effects(operation)
        changes = self._changed(operation.record, "comments")
        if operation.replacement is None or operation.failed is None:
            return changes
        return changes if self._row(operation.failed)["install_status"] == "3" else 0

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """An asset tag that is taken."""
        if kind is not RecordSwap:
            return super().refused_operation(kind, key)
        self.instance.add("alm_hardware", self._long_ago, asset_tag="AT-1", install_status="1")
        return Refused(replace(self._swap(key), asset_tag="AT-1"), "asset_tag")

    def settings_without_write_back(self) -> Mapping[str, object]:
        """As they are by default."""
        return {name: value for name, value in self.settings().items() if name != "write_back"}

    def unknown_asset(self) -> SourceRef:
        """A device that nobody added."""
        return SourceRef(kind=EntityKind.ASSET, external_id="f" * 32)

    def _add(self, stream: str, *, at: datetime) -> SourceRef:
        table, kind = TABLES[stream]
        number = len(self.instance.rows)
        values: dict[str, Row] = {
            "cmn_location": {"name": f"Site {number}", "latitude": "48.208176", "longitude": "16.373819"},
            "cmdb_hardware_product_model": {"name": f"C9300-{number}", "manufacturer": self._maker},
            "alm_hardware": {
                "serial_number": f"SN{number:06}", "asset_tag": f"AT{number:06}", "install_status": "1",
                "display_name": f"AT{number:06} - C9300",
            },
            "incident": {"number": f"INC{number:07}", "state": "2", "priority": "2", "short_description": "No link"},
        }  # fmt: skip
        return SourceRef(kind=kind, external_id=self.instance.add(table, at, **values[table]))

    def _swap(self, key: IdempotencyKey) -> RecordSwap:
        add, at = self.instance.add, self._long_ago
        site, depot = (add("cmn_location", at, name=name) for name in ("Vienna", "Depot"))
        stockroom = add("alm_stockroom", at, name="Depot 1", location=depot)
        model = add("cmdb_hardware_product_model", at, name="C9300-48P", manufacturer=self._maker)
        failed = add(
            "alm_hardware", at, serial_number="SN-OLD", asset_tag="AT-OLD", install_status="1", location=site,
            model=model,
        )  # fmt: skip
        spare = add(
            "alm_hardware", at, serial_number="SN-NEW", asset_tag="AT-NEW", install_status="6", substatus="available",
            location=depot, stockroom=stockroom, model=model,
        )  # fmt: skip
        return RecordSwap(
            key=key, failed=_asset(failed), replacement=_asset(spare), failed_serial="SN-OLD", serial="SN-NEW",
            asset_tag="AT-NEW", product=ProductKey(manufacturer="Cisco", model="C9300-48P"),
            product_ref=SourceRef(kind=EntityKind.PRODUCT, external_id=model),
            site=SourceRef(kind=EntityKind.SITE, external_id=site), reference="INC0010001",
        )  # fmt: skip

    def _changed(self, ref: SourceRef, column: str, told: str | None = None) -> int:
        return sum(
            (row, name) == (ref.external_id, column) and told in (None, value)
            for row, name, value in self.instance.changes
        )

    def _row(self, ref: SourceRef) -> Row:
        row = self.instance.rows.get(ref.external_id)
        if row is None:
            raise NotApplicable("what was deleted does not change any more")
        return row


def _asset(sys_id: str) -> SourceRef:
    return SourceRef(kind=EntityKind.ASSET, external_id=sys_id)
