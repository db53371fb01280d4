"""SANDBOX: the whole sandbox system, as tests start it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime, timedelta

from starlette.applications import Starlette

from connector.sdk import Clock, EntityKind, IdempotencyKey, ProductKey, RecordSwap, SourceRef
from connector.sdk.testing import NotApplicable, Operation, OperationKind, Refused, Sandbox
from connector_snipe_it.sandbox.inventory import Inventory, Thing
from connector_snipe_it.sandbox.server import SnipeItServer

TOKEN = "sandbox-token-6d20b3f1c9aa"  # noqa: S105 - opens nothing but this sandbox
ZONE = "Europe/Berlin"
READY, DIAGNOSTICS = 2, 4
MAKER, MODEL = "Cisco", "Catalyst 9300-48P"
KINDS = {"places": EntityKind.SITE, "models": EntityKind.PRODUCT, "hardware": EntityKind.ASSET}
TABLES = {EntityKind.SITE: "locations", EntityKind.PRODUCT: "models", EntityKind.ASSET: "hardware"}


class SnipeItSandbox(Sandbox):
    """Snipe-IT in small: local times to the second, offsets that move, equal times in no order, errors with 200.

    zone: of the server.
    """

    def __init__(self, clock: Clock, *, zone: str = ZONE) -> None:
        self._zone = zone
        self.inventory = Inventory(clock.now, zone)
        self.server = SnipeItServer(self.inventory, TOKEN)
        self._app = self.server.app()
        self._serials = 0

    def app(self) -> Starlette:
        """The server."""
        return self._app

    def settings(self) -> Mapping[str, object]:
        """Settings of the adapter that fit, with small pages, and as many requests a minute as one likes."""
        return {
            "base_url": "http://assets.test", "token": TOKEN, "time_zone": self._zone, "page_size": 5,
            "write_back": True, "requests_per_minute": None,
        }  # fmt: skip

    def wrong_settings(self) -> Mapping[str, object]:
        """The same with a token that was revoked."""
        return {**self.settings(), "token": "revoked-token-000000000000"}

    def settings_without_write_back(self) -> Mapping[str, object]:
        """The same without leave to write."""
        return {**self.settings(), "write_back": False}

    def times_twice(self, stream: str) -> str:  # noqa: ARG002 - all of them alike
        """Its times state no zone."""
        return "its times are local ones without a zone; those of an hour that comes twice are read as its beginning"

    # Pulls

    def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
        """Locations, models, or assets of one model at one location."""
        make = {"places": self.new_location, "models": self.new_model, "hardware": self.new_asset}[stream]
        return tuple(_ref(KINDS[stream], make(at + step * number)) for number in range(count))

    def touch(self, ref: SourceRef, *, at: datetime) -> None:
        """Give it another name."""
        thing = self._of(ref)
        thing.values["name"] = f"{thing.values.get('name')} (again)"
        thing.updated_at = at

    def delete(self, ref: SourceRef, *, at: datetime) -> None:
        """As a person does it."""
        self.inventory.delete(TABLES[ref.kind], int(ref.external_id), at)

    def seed_malformed(self, stream: str, *, at: datetime) -> SourceRef | None:
        """A country that is none, a model of no manufacturer, a warranty that ends on no day."""
        if stream == "places":
            return _ref(EntityKind.SITE, self.new_location(at, country="Deutschland"))
        if stream == "models":
            return _ref(EntityKind.PRODUCT, self.new_model(at, manufacturer_id=None))
        return _ref(EntityKind.ASSET, self.new_asset(at, warranty_expires={"date": "2026-13-45"}))

    def seed_unusual(self, stream: str, *, at: datetime) -> SourceRef:
        """Something of a later release."""
        if stream == "places":
            thing = self.new_location(at)
        elif stream == "models":
            thing = self.new_model(at)
        else:
            label = self.inventory.add("statuslabels", at, name="On the moon", type="lunar")
            thing = self.new_asset(at, status_id=label.id)
        thing.more["ai_mood"] = {"id": 1, "name": "sour"}
        return _ref(KINDS[stream], thing)

    # WritesAssets

    def operation(self, kind: OperationKind, key: IdempotencyKey) -> Operation:
        """A spare of the depot replaces a device that is checked out to a location."""
        if kind is not RecordSwap:
            return super().operation(kind, key)
        site, depot = self.new_location(), self.new_location()
        failed = self.new_asset(location_id=site.id, assigned_to=("location", site.id))
        spare = self.new_asset(location_id=depot.id, rtd_location_id=depot.id, model_id=failed.values["model_id"])
        return RecordSwap(
            key=key, failed=_ref(EntityKind.ASSET, failed), replacement=_ref(EntityKind.ASSET, spare),
            failed_serial=failed.values["serial"], serial=spare.values["serial"], asset_tag=spare.values["asset_tag"],
            product=ProductKey(manufacturer=MAKER, model=MODEL),
            product_ref=SourceRef(kind=EntityKind.PRODUCT, external_id=str(failed.values["model_id"])),
            site=_ref(EntityKind.SITE, site), reference="INC-1",
        )  # fmt: skip

    def effects(self, operation: Operation) -> int:
        """Told by the log: check-outs to the site, or changes of the serial."""
        if not isinstance(operation, RecordSwap):
            return super().effects(operation)
        record = self._of(operation.record)
        if operation.replacement is None:
            return self._logged("update", record, "serial", operation.serial)
        if operation.failed is not None and self._of(operation.failed).values["status_id"] != DIAGNOSTICS:
            return 0
        site = int(operation.site.external_id) if operation.site else 0
        return self._logged("checkout", record, "assigned_to", ("location", site))

    def refused_operation(self, kind: OperationKind, key: IdempotencyKey) -> Refused:
        """An asset tag that another asset has."""
        operation = self.operation(kind, key)
        if not isinstance(operation, RecordSwap):
            raise NotApplicable("swaps are all that is written")
        other = self.new_asset()
        swap = RecordSwap(
            key=key, failed=operation.failed, replacement=operation.replacement, failed_serial=operation.failed_serial,
            serial=operation.serial, asset_tag=other.values["asset_tag"], product=operation.product,
            product_ref=operation.product_ref, site=operation.site, reference="INC-2",
        )  # fmt: skip
        return Refused(swap, "asset_tag")

    def unknown_asset(self) -> SourceRef:
        """An id that was never given."""
        return SourceRef(kind=EntityKind.ASSET, external_id="987654")

    # Things

    def new_location(self, at: datetime | None = None, **values: object) -> Thing:
        """A location."""
        usual = {"name": f"Hall {len(self.inventory.tables['locations'])} & yard", "city": "Hamburg", "country": "DE"}
        return self.inventory.add("locations", at, **(usual | values))

    def new_model(self, at: datetime | None = None, **values: object) -> Thing:
        """A model of one manufacturer."""
        makers = self.inventory.tables["manufacturers"]
        maker = next(iter(makers.values()), None) or self.inventory.add("manufacturers", name=MAKER)
        count = len(self.inventory.tables["models"])
        usual = {"name": MODEL if not count else f"{MODEL}/{count}", "manufacturer_id": maker.id}
        return self.inventory.add("models", at, **(usual | values))

    def new_asset(self, at: datetime | None = None, **values: object) -> Thing:
        """An asset that is ready to deploy."""
        models, locations = self.inventory.tables["models"], self.inventory.tables["locations"]
        model = next(iter(models.values()), None) or self.new_model()
        location = next(iter(locations.values()), None) or self.new_location()
        self._serials += 1
        usual = {
            "name": f"sw-{self._serials}", "serial": f"FOC{self._serials:05}", "asset_tag": f"A-{self._serials:05}",
            "model_id": model.id, "status_id": READY, "location_id": location.id, "rtd_location_id": location.id,
        }  # fmt: skip
        return self.inventory.add("hardware", at, **(usual | values))

    def _of(self, ref: SourceRef) -> Thing:
        return self.inventory.tables[TABLES[ref.kind]][int(ref.external_id)]

    def _logged(self, action: str, thing: Thing, name: str, value: object) -> int:
        return sum(
            done == action and number == thing.id and changed.get(name) == value
            for done, number, changed in self.inventory.log
        )


def _ref(kind: EntityKind, thing: Thing) -> SourceRef:
    return SourceRef(kind=kind, external_id=str(thing.id))
