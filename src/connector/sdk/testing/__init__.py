'''The contract kit: what every adapter must do, checked against a sandbox of its system.

An adapter's package holds, beside the adapter, a `sandbox.py` (a small server that speaks the system's real
protocol), a `contract.py` that names it, and a test of three lines. `connector adapters check NAME` runs the same
checks without pytest and prints them as a quality table: pass, fail, or not applicable with the reason.

`connector_acme/sandbox.py`:

    class AcmeSandbox(Sandbox):
        """Acme Desk: tickets with notes, second resolution, pages of at most 100."""

        def __init__(self, clock: Clock) -> None:
            self.tickets: dict[str, dict[str, Any]] = {}
            self._server = Starlette(routes=[Route("/api/tickets", self._list), ...])

        def app(self) -> App:
            return self._server                    # the kit serves it over httpx.ASGITransport, with faults between

        def settings(self) -> Mapping[str, object]:
            return {"base_url": "http://acme.test", "token": "canary-4c1f9b2e", "page_size": 5}

        def wrong_settings(self) -> Mapping[str, object]:
            return {**self.settings(), "token": "wrong-token-0000"}

        def seed(self, stream: str, count: int, *, at: datetime, step: timedelta) -> tuple[SourceRef, ...]:
            return tuple(self._add_ticket(at + step * n) for n in range(count))

        def touch(self, ref: SourceRef, *, at: datetime) -> None:
            self.tickets[ref.external_id].update(subject=f"Changed {at}", updated=at)

        def delete(self, ref: SourceRef, *, at: datetime) -> None:
            raise NotApplicable("Acme Desk never deletes a ticket; closed ones are still listed")

`connector_acme/contract.py`:

    CONTRACT = Contract(
        adapter="acme",                            # the entry point's name
        sandbox=AcmeSandbox,                       # called with a clock, once per check
        golden=Golden(Path(__file__).parent / "payloads", read=mapping.tickets_of),
    )

`tests/test_contract.py`:

    class TestAcme(AdapterContract):
        contract = CONTRACT                        # pytest -rs shows the reasons of what is not applicable

Everything else that the kit may ask of a sandbox is in `Sandbox`: webhooks for adapters that receive them,
operations and their counted effects for adapters that write. `TicketSandbox` and `CourierSandbox` answer what is the
same for all desks and for all couriers, and ask the rest in smaller questions; `json_webhook` makes webhooks,
`draw_label` labels. A method that raises `NotApplicable("reason")` marks its checks as not applicable; one that is
merely missing fails them. `Connected` and `MovableClock` are for tests of one's own: the adapter, connected to the
sandbox.

Conventions that checks rely on:

- Check 6 reads `README.md` in the adapter's package: a line that begins `API version:` names the version of the
  vendor's interface, one that begins `Source:` holds the address of its description, and a section
  `## Verified, and not` says what was tried against the system itself, its description or its
  documentation, and what was not.
- A cursor in the middle of a pull goes on exactly where it stopped; the cursor of the *last* batch goes back by
  the stream's overlap. Otherwise a pull that is cut off after each batch never ends (check 14).
- In an incremental stream every record has its `updated_at`: the time that the source says, to the second.
- Recorded payloads are in the package, `payloads/NAME.json` beside `payloads/NAME.expected.json`, and
  `payloads/SOURCES.md` says of each where it comes from (check 57): `connector.sdk.testing.payloads` has its form.

pytest is needed only where `AdapterContract` runs; importing this package imports no test tool.
'''

from connector.sdk.testing.connected import Between, Changing, Connected, MovableClock, by_ref, ids
from connector.sdk.testing.contract import CheckResult, Contract, Golden, Outcome, find_contract
from connector.sdk.testing.couriers import CourierSandbox, shipment_ref
from connector.sdk.testing.labels import draw_label
from connector.sdk.testing.payloads import PayloadKind, PayloadSource, payload_sources
from connector.sdk.testing.sandbox import (
    App,
    NotApplicable,
    Operation,
    OperationKind,
    Refused,
    Sandbox,
    SentWebhook,
    Signature,
    WithText,
)
from connector.sdk.testing.suite import AdapterContract, run_contract
from connector.sdk.testing.tickets import TicketSandbox
from connector.sdk.testing.webhooks import json_webhook

__all__ = [
    "AdapterContract", "App", "Between", "Changing", "CheckResult", "Connected", "Contract", "CourierSandbox",
    "Golden", "MovableClock", "NotApplicable", "Operation", "OperationKind", "Outcome", "PayloadKind",
    "PayloadSource", "Refused", "Sandbox", "SentWebhook", "Signature", "TicketSandbox", "WithText", "by_ref",
    "draw_label", "find_contract", "ids", "json_webhook", "payload_sources", "run_contract", "shipment_ref",
]  # fmt: skip
