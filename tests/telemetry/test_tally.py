"""Counts of one process, and of several together."""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from pathlib import Path

import pytest

from connector.telemetry.metrics import (
    BUCKETS,
    EVENTS,
    HTTP_REQUESTS,
    HTTP_SECONDS,
    PROCESSES,
    SUBSCRIBERS,
)
from connector.telemetry.shelf import Shelf
from connector.telemetry.tally import MOST_SERIES, Tally


def counted(tally: Tally) -> dict[tuple[str, ...], float]:
    return tally.counted().counts[HTTP_REQUESTS.name]


def test_what_happens_is_counted_by_its_labels():
    tally = Tally()

    for code in ("200", "503", "200"):
        tally.count(HTTP_REQUESTS, "/graphql", code)
    tally.count(HTTP_REQUESTS, "/", "307", by=3)

    assert counted(tally) == {("/graphql", "200"): 2, ("/graphql", "503"): 1, ("/", "307"): 3}


def test_labels_that_are_too_many_are_counted_together():
    tally = Tally()
    for number in range(MOST_SERIES + 20):
        tally.count(HTTP_REQUESTS, f"/{number}", "200")
        tally.took(HTTP_SECONDS, 1.0, f"/{number}")
    tally.count(HTTP_REQUESTS, "/0", "200")

    assert len(counted(tally)) == MOST_SERIES + 1
    assert (counted(tally)["/0", "200"], counted(tally)["other", "other"]) == (2, 20)
    spreads = tally.counted().spreads[HTTP_SECONDS.name]
    assert (len(spreads), sum(spreads["other",].buckets)) == (MOST_SERIES + 1, 20)


def test_a_time_counts_in_the_first_bucket_that_is_no_shorter():
    tally = Tally()
    for seconds in (0.0, 0.0005, 0.0006, 10.0, 11.0):
        tally.took(HTTP_SECONDS, seconds, "/")

    [spread] = tally.counted().spreads[HTTP_SECONDS.name].values()
    found = zip((*BUCKETS, None), spread.buckets, strict=True)
    assert {bucket: count for bucket, count in found if count} == {0.0005: 2, 0.001: 1, 10.0: 1, None: 1}
    assert spread.total_s == pytest.approx(21.0011)


def process_of(folder: Path, number: int) -> tuple[Tally, Shelf]:
    tally = Tally()
    tally.ask(PROCESSES, lambda: 1.0)
    return tally, Shelf(tally, folder, number)


def test_whichever_process_is_asked_tells_of_all(tmp_path: Path):
    (first, one), (second, two) = process_of(tmp_path, 1), process_of(tmp_path, 2)
    first.count(HTTP_REQUESTS, "/graphql", "200", by=5)
    first.took(HTTP_SECONDS, 0.3, "/graphql")
    second.count(HTTP_REQUESTS, "/graphql", "200", by=2)
    second.took(HTTP_SECONDS, 0.4, "/graphql")
    second.ask(SUBSCRIBERS, lambda: 7.0)
    second.ask(EVENTS, lambda: 9.0)
    one.put()
    two.put()
    second.count(HTTP_REQUESTS, "/graphql", "500")

    for shelf, failed in ((one, {}), (two, {("/graphql", "500"): 1})):  # what the other one counted since comes later
        told = shelf.together()
        assert told.counts[HTTP_REQUESTS.name] == {("/graphql", "200"): 7, **failed}
        assert told.levels == {PROCESSES.name: {(): 2}, SUBSCRIBERS.name: {(): 7}}
        assert told.counts[EVENTS.name] == {(): 9}
        [spread] = told.spreads[HTTP_SECONDS.name].values()
        assert (sum(spread.buckets), spread.total_s) == (2, pytest.approx(0.7))


def test_a_process_that_is_started_again_goes_on_counting(tmp_path: Path):
    """Else the sum would fall, which a scraper takes for a start of all of them."""
    _, one = process_of(tmp_path, 1)
    former, shelf = process_of(tmp_path, 2)
    former.count(HTTP_REQUESTS, "/", "200", by=4)
    former.ask(SUBSCRIBERS, lambda: 3.0)
    shelf.put()

    again, shelf = process_of(tmp_path, 2)
    again.count(HTTP_REQUESTS, "/", "200")
    shelf.put()

    for asked in (one, shelf):
        assert asked.together().counts[HTTP_REQUESTS.name] == {("/", "200"): 5}
    one.put()
    assert shelf.together().levels == {PROCESSES.name: {(): 2}}


def test_what_a_process_has_is_gone_with_it_and_what_it_counted_is_not(tmp_path: Path):
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    other, shelf = process_of(tmp_path, 2)
    other.count(HTTP_REQUESTS, "/", "200", by=4)
    shelf.put()
    file = tmp_path / "2.json"
    file.write_text(json.dumps(json.loads(file.read_text()) | {"pid": gone.pid}))

    told = process_of(tmp_path, 1)[1].together()

    assert told.counts[HTTP_REQUESTS.name] == {("/", "200"): 4}
    assert told.levels == {PROCESSES.name: {(): 1}}


def test_a_folder_that_cannot_be_written_to_is_told_once(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    tally, shelf = process_of(tmp_path / "gone", 1)
    tally.count(HTTP_REQUESTS, "/", "200")

    with caplog.at_level(logging.WARNING):
        shelf.put()
        shelf.put()

    assert [record.message.split(":")[0] for record in caplog.records] == [
        "metrics of this process are missing where another one is asked"
    ]
    assert shelf.together().counts[HTTP_REQUESTS.name] == {("/", "200"): 1}
