from __future__ import annotations

import io
import json
import logging

import pytest

from connector.logging import configure_logging


@pytest.fixture
def stream() -> io.StringIO:
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    stream = io.StringIO()
    configure_logging("INFO", secrets=["open-sesame", "x"], stream=stream)
    yield stream
    root.handlers[:], root.level = handlers, level


def test_a_line_is_one_json_object(stream: io.StringIO):
    logging.getLogger("connector.test").warning("source %r is slow", "cmdb")

    entry = json.loads(stream.getvalue())
    assert (entry["level"], entry["logger"], entry["message"]) == (
        "WARNING", "connector.test", "source 'cmdb' is slow",
    )  # fmt: skip


def test_secrets_are_cut_out_of_messages_and_traces(stream: io.StringIO):
    try:
        raise ValueError("token open-sesame refused")
    except ValueError:
        logging.getLogger("connector.test").exception("failed with open-sesame")

    text = stream.getvalue()
    assert "open-sesame" not in text
    assert text.count("[redacted]") == 3


def test_libraries_that_log_urls_are_quiet(stream: io.StringIO):
    logging.getLogger("httpx").info("GET http://x/?token=1")

    assert stream.getvalue() == ""
