"""A document is read whole: every mistake at once, each with its place."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from connector.sdk.facts import InvalidDocument
from connector_webhook import WebhookConfig
from connector_webhook.definition import DOCUMENTS, Definition, EventFacts, SignatureFacts
from connector_webhook.sandbox.system import DELIVER_SECRET, SECRET

README = (Path(__file__).parents[1] / "README.md").read_text()
WRONG = """\
system: Acme
format: plain
unsigned_headers: true
signature: {kind: hmac, tolerance: PT1M}
events:
  tickets:
    id: id
    fields:
      number: number
      status: state
  things:
    id: "]["
    updated_at: at
    fields: {}
  assets:
    id: id
    updated_at: at
    when: {path: type}
    fields: {serial: {value: x, path: y}}
"""


def test_all_mistakes_are_told_with_their_place():
    with pytest.raises(InvalidDocument) as raised:
        DOCUMENTS.read_text(WRONG, "acme.yaml")

    told = [problem.split(": ", 2)[:2] for problem in raised.value.problems]
    assert told == [
        ["3:19", "unsigned_headers"], ["4:12", "signature"], ["4:36", "signature.tolerance"], ["6:3", "events.tickets"],
        ["8:5", "events.tickets.fields"], ["10:15", "events.tickets.fields.status"], ["11:3", "events.things"],
        ["12:9", "events.things.id"], ["18:11", "events.assets.when.values"], ["19:22", "events.assets.fields.serial"],
    ]  # fmt: skip


def test_without_events_or_a_time_that_can_be_read_there_is_nothing_to_go_by():
    with pytest.raises(InvalidDocument, match="events: there is none: describe at least one"):
        DOCUMENTS.read({"system": "Acme", "events": {}})
    with pytest.raises(InvalidDocument, match="needs `updated_at`"):
        DOCUMENTS.read(
            {
                "system": "Acme", "times": "unix",
                "events": {"tickets": {"id": "id", "fields": {"number": "n", "state": {"value": "new"}}}},
            }
        )  # fmt: skip


def test_the_example_of_the_readme_can_be_used():
    settings = tomllib.loads(README.split("```toml")[1].split("```")[0])["sources"]["acme"]
    definition = DOCUMENTS.read_text(README.split("```yaml")[1].split("```")[0], "README")

    assert (settings.pop("adapter"), settings.pop("definition")) == ("webhook", "acme_events.yaml")
    WebhookConfig.model_validate(
        settings | {"definition": definition, "secret": SECRET, "deliver_secret": DELIVER_SECRET}
    )


def test_every_setting_and_key_is_named():
    names = [*WebhookConfig.model_fields, *Definition.model_fields, *SignatureFacts.model_fields]
    names += [name for name in EventFacts.model_fields if name != "record"]

    assert [name for name in names if f"`{name}`" not in README and f"`{name}:" not in README] == []
