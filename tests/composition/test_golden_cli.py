"""`connector golden` as people and scripts use it."""

from __future__ import annotations

import asyncio
import getpass
from pathlib import Path

from tests.composition.test_cli import here, run, run_json, undisturbed_logging
from tests.conftest import MovableClock
from tests.factories import NOW
from tests.ingest.conftest import Intake
from tests.ingest.records import SWITCH, asset, product, site
from tests.ingest.records import hub as hub_record

from connector.storage.database.engine import open_engine

__all__ = ["here", "undisturbed_logging"]


async def take_in() -> None:
    """A device of which two sources name another holder, in the database here."""
    engine = open_engine("sqlite:///hub.db")
    intake = Intake(engine, MovableClock(NOW))
    await intake(site(), hub_record(), product(), asset("a1", holder="grace"))
    said = {"name": None, "asset_tag": None, "product": None, "place": None, "state": None}
    await intake(asset("77", serial="SN-A1", holder="ada", **said), source="mdm")
    await engine.dispose()


def test_conflicts_are_listed_and_a_field_is_overridden_and_released_under_the_name_of_the_account(here: Path):
    assert run("golden", "conflicts").output == "No sources contradict each other.\n"
    assert run("golden", "overrides").output == "No field is overridden.\n"
    asyncio.run(take_in())

    listed = run("golden", "conflicts", "--kind", "asset", "--field", "holder").output
    [conflict] = run_json("golden", "conflicts")
    said = run("golden", "override", "asset", "1", "holder", "linus", "--reason", "saw it")
    overridden = run_json("golden", "conflicts")
    [stands] = run_json("golden", "overrides")
    shown = run("golden", "overrides").output
    released = run("golden", "release", "1", "--reason", "over")
    twice = run("golden", "release", "1")
    history = run_json("golden", "overrides", "--all")

    assert max(map(len, (listed + shown).splitlines())) <= 80
    assert "1 asset 1 holder mdm last said cmdb: grace sw-a1 mdm: ada" in " ".join(listed.split())
    assert "1 asset 1 holder linus saw it" in " ".join(shown.split())
    assert (conflict["source"], conflict["statements"][0]) == (
        "mdm", {"source": "cmdb", "external_id": "a1", "values": ["grace"]},
    )  # fmt: skip
    assert said.output == "Override 1: holder of asset 1 is linus.\n"
    assert [(one["source"], one["reason"]) for one in overridden] == [(None, "override")]
    assert (stands["value"], stands["replaced"], stands["reason"], stands["created_by"]) == (
        ["linus"], ["ada"], "saw it", f"cli:{getpass.getuser()}",
    )  # fmt: skip
    assert released.output == "Override 1 is released.\n"
    assert twice.output == "Override 1 was released before.\n"
    assert run_json("golden", "overrides") == []
    assert [one["released_by"] for one in history] == [f"cli:{getpass.getuser()}"]


async def take_in_another_product() -> None:
    """The same device once more, of another model."""
    engine = open_engine("sqlite:///hub.db")
    other = SWITCH.model_copy(update={"model": "Other"})
    said = {"name": None, "asset_tag": None, "place": None, "state": None}
    await Intake(engine, MovableClock(NOW))(asset("9", serial="SN-A1", product=other, **said), source="itam")
    await engine.dispose()


def test_things_that_are_stated_are_told_by_their_names_and_ids(here: Path):
    run("golden", "overrides")  # which makes the database
    asyncio.run(take_in())
    asyncio.run(take_in_another_product())

    listed = " ".join(run("golden", "conflicts", "--field", "product").output.split())
    [conflict] = run_json("golden", "conflicts", "--field", "product")
    first, second = (statement["values"][0] for statement in conflict["statements"])
    assert run("golden", "override", "asset", "1", "product", str(first), "--reason", "x").exit_code == 0
    overridden = " ".join(run("golden", "overrides").output.split())

    assert f"cmdb: {SWITCH.manufacturer} {SWITCH.model} ({first})" in listed
    assert f"itam: {SWITCH.manufacturer} Other ({second})" in listed
    assert f"{SWITCH.manufacturer} {SWITCH.model} ({first})" in overridden


def test_values_are_texts_or_json_as_the_field_has_them(here: Path):
    run("golden", "overrides")  # which makes the database
    asyncio.run(take_in())
    why = ("--reason", "x")

    for kind, field, value in (
        ("asset", "asset_tag", "0012"),
        ("asset", "warranty_ends_on", "2027-03-01"),
        ("hub", "tier", "local"),
        ("hub", "handling_time", "45"),
        ("site", "position", '{"latitude": 48.1, "longitude": 11.5}'),
    ):
        assert run("golden", "override", kind, "1", field, value, *why).exit_code == 0, (kind, field)
    assert run(
        "golden", "override", "asset", "1", "revision", "--empty", *why, "--until", "2099-01-01T00:00Z"
    ).output == ("Override 6: revision of asset 1 is empty.\n")

    assert [one["value"] for one in run_json("golden", "overrides")] == [
        ["0012"], ["2027-03-01"], ["local"], [45], [48.1, 11.5], [None],
    ]  # fmt: skip


def test_what_is_wrong_is_told_with_what_there_is(here: Path):
    run("golden", "overrides")  # which makes the database
    asyncio.run(take_in())
    holder = ("golden", "override", "asset", "1", "holder")

    def said(*words: str) -> tuple[int, str]:
        answer = run(*words)
        return answer.exit_code, " ".join((answer.output + answer.stderr).split())

    code, neither = said(*holder, "--reason", "x")
    assert (code, "either a value or --empty is needed" in neither) == (2, True)
    assert "reason is empty" in said(*holder, "ada")[1]
    assert "'soon' is no time" in said(*holder, "ada", "--reason", "x", "--until", "soon")[1]
    assert (
        "'2099-01-01T00:00' has no time zone" in said(*holder, "ada", "--reason", "x", "--until", "2099-01-01T00:00")[1]
    )
    assert "'soon' is no JSON" in said("golden", "override", "hub", "1", "pick_time", "soon", "--reason", "x")[1]
    assert said("golden", "release", "9")[0] == 3
    assert "there is no field 'hodler'" in said("golden", "conflicts", "--field", "hodler")[1]
