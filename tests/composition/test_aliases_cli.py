"""`connector aliases` as people and scripts use it."""

from __future__ import annotations

from pathlib import Path

from tests.composition.test_cli import here, run, run_json, undisturbed_logging

__all__ = ["here", "undisturbed_logging"]


def test_aliases_are_added_listed_written_read_again_and_removed(here: Path):
    run("sync", "sheets")
    assert run("aliases", "list").output == "There are no aliases beside those that are shipped (--all).\n"

    model = ("model", "Docking station 1", "--manufacturer", "ACME", "--for", "Acme Dock 1", "--reason", "as")
    added = run_json("aliases", "add", *model)
    maker = run("aliases", "add", "manufacturer", "Acme Computer", "--for", "Acme")
    place = run("aliases", "add", "hub", "Lager Berlin", "--for", "BER", "--source", "sheets")
    chain = run("aliases", "add", "manufacturer", "A.C.M.E.", "--for", "Acme Computer")
    nowhere = run("aliases", "add", "site", "HQ", "--for", "ATLANTIS")
    written = run("aliases", "export", "aliases.csv")
    text = (here / "aliases.csv").read_text()
    listed = run("aliases", "list").output
    removed = [run("aliases", "remove", str(n)).output for n in (added["id"], 2, 3)]  # type: ignore[call-overload,index]
    read = run("aliases", "import", "aliases.csv")
    again = run_json("aliases", "import", "aliases.csv")
    run("aliases", "export", "again.csv")
    (here / "wrong.csv").write_text("kind,name,stands_for\nmanufacturer,Initech,Intertech\nmanufacturer,Acme,Acmee\n")
    wrong = run("aliases", "import", "wrong.csv")

    assert maker.output == "Alias 2 is added.\n"
    assert place.output == "Alias 3 is added.\n"
    assert (chain.exit_code, "'Acme Computer' is itself an alias, of 'acme'" in chain.stderr) == (2, True)
    assert (nowhere.exit_code, "there is no site 'ATLANTIS'" in nowhere.stderr) == (3, True)
    assert written.output == "3 written to aliases.csv.\n"
    assert text == (
        "kind,name,manufacturer,stands_for,stands_for_manufacturer,source,reason\n"
        "model,Docking station 1,acme,Dock 1,Acme,,as\n"
        "manufacturer,Acme Computer,,acme,,,\n"
        "hub,Lager Berlin,,BER,,sheets,\n"
    )
    assert [word in listed for word in ("Docking station 1", "Acme Dock 1", "Lager Berlin", "BER")] == [True] * 4
    assert removed[0] == "Alias 1 (Docking station 1) is removed.\n"
    assert read.output == "3 added, 0 were there already.\n"
    assert again == {"added": 0, "known": 3, "doubles": []}
    assert (here / "again.csv").read_text() == text
    assert wrong.exit_code == 2
    assert "wrong.csv:3: 'Acme' is what 'acme computer' stand for" in wrong.stderr
    assert "Initech" not in run("aliases", "list").output


def test_a_suggestion_is_found_and_rejected_for_good(here: Path):
    with (here / "sheets" / "stock.csv").open("a") as file:
        file.write("HAM,Acme,Dock1,3\n")
    run("sync", "sheets")

    (found,) = run_json("aliases", "suggest")  # type: ignore[misc]
    rejected = run("aliases", "reject", str(found["id"]), "--reason", "a new one")

    assert (found["name"], found["stands_for"]["name"], found["score"]) == ("Dock1", "Dock 1", 97)
    assert found["evidence"] == "'dock1' and 'dock 1' differ in spaces alone"
    assert rejected.output == f"Suggestion {found['id']} is rejected.\n"
    assert run("aliases", "suggest").output == "No suggestion waits.\n"
    assert run("aliases", "accept", str(found["id"])).exit_code == 1
