"""Asks a hub for what schemathesis makes up of its schema: python fuzz.py URL CASES SEED STEP KNOWN

CASES: of a root field, each of two kinds: that fit the schema, and that do not quite. STEP: every how many root fields
one is asked for, the first by the seed. KNOWN: JSON with lists of `ids` and of `texts` that mean something to the hub.
Prints, as one line of JSON, the codes that were answered, and whatever no answer may be.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

import requests
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import seed as seeded
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.graphql import nodes

MASKED = "INTERNAL"
TIMES = ["2026-11-25T09:00:00Z", "0001-01-01T00:00:00+14:00", "9999-12-31T23:59:59-14:00", "2026-02-30T00:00:00Z", ""]
DECIMALS = ["12.50", "-1", "1e99", "9" * 40, "NaN", "Infinity", ""]
DURATIONS = ["PT4H30M", "P1D", "-PT1S", "P99999999999D", "PT1E9S", "P1Y", ""]


def main(url: str, cases: int, seed: int, step: int, known: dict[str, list[str]]) -> None:
    """Ask over one connection, which lives on."""
    some = st.text(max_size=20)
    schemathesis.graphql.scalar("ID", (st.sampled_from(known["ids"]) | some).map(nodes.String))
    schemathesis.graphql.scalar("String", (st.sampled_from(known["texts"]) | some).map(nodes.String))
    schemathesis.graphql.scalar("DateTime", st.sampled_from(TIMES).map(nodes.String))
    schemathesis.graphql.scalar("Duration", st.sampled_from(DURATIONS).map(nodes.String))
    schemathesis.graphql.scalar("Decimal", st.sampled_from(DECIMALS).map(nodes.String))
    schemathesis.graphql.scalar("GeoJSONPoint", st.sampled_from(("x", "{}", "[]")).map(nodes.String))
    connection = requests.Session()
    schema = schemathesis.graphql.from_url(url, timeout=60)
    codes: Counter[str] = Counter()
    faults: list[object] = []
    fields = list(schema.get_all_operations())[seed % step :: step]
    for result in fields:
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):

            @seeded(seed)
            @settings(
                max_examples=cases,
                deadline=None,
                database=None,
                phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )
            @given(case=result.ok().as_strategy(generation_mode=mode))
            def ask(case: schemathesis.Case) -> None:
                response = connection.post(url, json={"query": case.body}, timeout=60)
                fault = wrong(response, codes)
                if fault is not None:
                    faults.append({"fault": fault, "asked": case.body, "answer": response.text[:2000]})

            ask()
    sys.stdout.write(json.dumps({"fields": len(fields), "codes": codes, "faults": faults[:20]}) + "\n")


def wrong(response: requests.Response, codes: Counter[str]) -> str | None:
    """What is wrong with an answer: not GraphQL, our fault, or errors that do not say what is wrong, and where."""
    if response.status_code != requests.codes.ok:
        return f"status {response.status_code}"
    answer: dict[str, Any] = response.json()
    errors = answer.get("errors", [])
    if not errors:
        codes["none"] += 1
        return None if answer.get("data") is not None else "neither data nor errors"
    for error in errors:
        code = error.get("extensions", {}).get("code")
        codes[str(code)] += 1
        if code in (None, MASKED):
            return f"code {code}"
        if "data" in answer and not error.get("path"):
            return "an error of a field without its path"
        if "data" not in answer and not error.get("locations") and code != "QUERY_TOO_COSTLY":
            return "an error of the document without its place"
    return None


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4]), json.loads(sys.argv[5]))
