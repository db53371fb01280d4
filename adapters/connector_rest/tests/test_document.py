"""A document is read whole: every mistake at once, each with its place."""

from __future__ import annotations

import copy
from pathlib import Path

import pytest
from pydantic import ValidationError

from connector.sdk.connection import config_problems
from connector.sdk.facts import InvalidDocument
from connector_rest import Rest, RestConfig
from connector_rest.reading import DOCUMENTS

from .conftest import DOCUMENT, document

WRONG = """\
system: Acme
base_url: https://acme.test
auth: {kind: header}
headers: {X-Api-Key: abc}
streams:
  tickets:
    path: /tickets?x=1
    pages: {kind: offset, size: 0}
    id: "a..b"
    changes: {param: since}
    fields:
      nummer: number
      state: {path: state, values: {Open: fresh}}
      title: {path: subject, factor: 2}
  boxes:
    path: /boxes
    pages: {kind: none}
    id: id
    fields: {}
writes:
  add_note:
    path: /notes
    body: {text: "{body}", n: "{nobody}"}
colour: red
"""


def test_every_mistake_is_told_at_once_with_line_and_column():
    with pytest.raises(InvalidDocument) as raised:
        DOCUMENTS.read_text(WRONG, "acme.yaml")

    told = raised.value.problems
    expected = [
        "3:7: auth: kind header needs `name`",
        "4:22: headers.X-Api-Key: header 'X-Api-Key' is named like a secret",
        "7:11: streams.tickets.path: '/tickets?x=1' has a query: write it under `params`",
        "8:12: streams.tickets.pages: kind offset needs `param`",
        "8:33: streams.tickets.pages.size: input should be greater than or equal to 1",
        "9:9: streams.tickets.id: 'a..b' is no JMESPath expression",
        "10:14: streams.tickets.changes: needs `updated_at`",
        "11:5: streams.tickets.fields: a ticket needs `number`",
        "12:15: streams.tickets.fields.nummer: there is no field 'nummer': did you mean `number`?",
        "13:43: streams.tickets.fields.state.values.Open: 'fresh' is none of new, in_progress",
        "14:38: streams.tickets.fields.title.factor: is for numbers, and 'title' is a text",
        "15:3: streams.boxes: does not say of which record 'boxes' is: write `record:` with one of site, hub",
        "21:3: writes.add_note: names no ticket: put {ticket} into",
        "21:3: writes.add_note: may happen twice: name `idempotency_header`, or `find`",
        "23:11: writes.add_note.body: there is no {nobody}: add_note fills {ticket}, {key}, {body}, {is_public}",
        "24:9: colour: there is no such key",
    ]
    assert [line[: len(start)] for line, start in zip(told, expected, strict=True)] == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "1:6: is no YAML"),
        ("- 1", "1:1: is no mapping"),
        ("", "1:1: is no mapping"),
        ("a: &x [1]\nb: *x", "2:4: *x repeats another part: write it out"),
        ("system: a\nsystem: b", "2:1: key 'system' stands there twice"),
        ("[" * 5000, "1:1: is no YAML: is nested too deeply"),
    ],
)
def test_a_text_that_is_no_document_is_refused(text, said):
    with pytest.raises(InvalidDocument) as raised:
        DOCUMENTS.read_text(text, "x.yaml")

    assert any(problem.startswith(said) for problem in raised.value.problems), raised.value.problems


@pytest.mark.parametrize(
    ("expression", "said"),
    [
        ("a" * 301, "has 301 characters, at most 300"),
        ("a[?", "is no JMESPath expression"),
        ("[@,@][]|[@,@][]|[@,@][]", "builds more than 2 lists"),
        ("!" * 30 + "a", "parts more than 24 deep"),
        ("", "is empty"),
        (7, "is a int, expected a JMESPath expression"),
    ],
)
def test_an_expression_is_bounded(expression, said):
    with pytest.raises(InvalidDocument, match=said):
        DOCUMENTS.read(document(id=expression))


def test_there_is_an_end_to_streams_and_size(tmp_path: Path):
    many = copy.deepcopy(DOCUMENT)
    many["streams"] = {f"t{n}": {**DOCUMENT["streams"]["tickets"], "record": "ticket"} for n in range(21)}
    large = tmp_path / "large.yaml"
    large.write_text("a: " + "x" * 300_000)

    with pytest.raises(InvalidDocument, match="at most 20 items"):
        DOCUMENTS.read(many)
    with pytest.raises(InvalidDocument, match="at most 262144 are allowed"):
        DOCUMENTS.read(large)
    with pytest.raises(InvalidDocument, match="cannot be read: No such file"):
        DOCUMENTS.read(tmp_path / "none.yaml")


def test_the_problems_of_a_file_are_problems_of_the_source(tmp_path: Path):
    file = tmp_path / "acme.yaml"
    file.write_text(WRONG)

    [problem] = config_problems("acme", Rest, {"definition": str(file), "secret": "x"})

    assert problem.startswith("sources.acme.definition: Value error, acme.yaml has 16 problems")
    assert "\n    9:9: streams.tickets.id: 'a..b' is no JMESPath expression" in problem


@pytest.mark.parametrize(
    ("auth", "settings", "said"),
    [
        ({"kind": "bearer"}, {}, "auth of kind bearer needs `secret`"),
        ({"kind": "basic"}, {"secret": "x"}, "needs `identity`, the user's name"),
        ({"kind": "bearer"}, {"secret": "x", "identity": "y"}, "`identity` means nothing with auth of kind bearer"),
        ({"kind": "none"}, {"secret": "x"}, "`auth` is of kind none: remove `secret`"),
    ],
)
def test_the_settings_have_the_credential_that_the_document_speaks_of(auth, settings, said):
    with pytest.raises(ValidationError, match=said):
        RestConfig.model_validate({"definition": {**DOCUMENT, "auth": auth}, **settings})


def test_the_settings_may_name_another_address():
    ours = RestConfig.model_validate({"definition": DOCUMENT, "secret": "x"})
    test = RestConfig.model_validate({"definition": DOCUMENT, "secret": "x", "base_url": "https://test.acme.test"})

    assert (str(ours.base_url), str(test.base_url)) == ("https://acme.test/v2", "https://test.acme.test/")


def test_a_gap_that_an_operation_does_not_fill_is_told_where_a_ticket_is_looked_at_before():
    write = {
        "path": "/t/{ticket}", "body": "{fields}", "if_match": {"path": "/t/{number}", "params": {"x": "{state}"}},
        "find": {"path": "/t/{ticket}", "value": "@"},
    }  # fmt: skip
    with pytest.raises(InvalidDocument) as raised:
        DOCUMENTS.read({**copy.deepcopy(DOCUMENT), "writes": {"set_fields": write}})

    told = " ".join(raised.value.problems)
    assert "writes.set_fields.if_match.path: there is no {number}" in told
    assert "writes.set_fields.if_match.params.x: there is no {state}" in told


def test_a_problem_that_begins_with_an_abbreviation_keeps_its_capitals():
    wrong = WRONG.replace("https://acme.test", "ftp://acme.test")

    with pytest.raises(InvalidDocument) as raised:
        DOCUMENTS.read_text(wrong, "acme.yaml")

    assert "2:11: base_url: URL scheme should be 'http' or 'https'" in raised.value.problems
