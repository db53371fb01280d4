"""SANDBOX: the part of JQL that the adapter uses, with its traps. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from zoneinfo import ZoneInfo

from connector_jira_service_management.sandbox.site import Refusal, SandboxIssue

UNBOUNDED = "Unbounded JQL queries are not allowed here. Please add a search restriction to your query."
ORDERED = re.compile(r"^(?P<where>.*?)\s*ORDER BY updated ASC, key ASC$")
LISTED = re.compile(r"^(?P<field>project|issuetype) in \((?P<names>.+)\)$")
CHANGED = re.compile(r'^updated >= "(?P<at>\d{4}-\d\d-\d\d \d\d:\d\d)"$')


@dataclass(frozen=True)
class Query:
    """A query that was understood. wanted: whether an issue is found. projects: those that it names."""

    wanted: Callable[[SandboxIssue], bool]
    projects: frozenset[str]


def parse(jql: str, zone: ZoneInfo, fold: int) -> Query:
    """Understand a query; times are read in the zone of whoever asks, an hour that comes twice as its `fold`th.

    Raises Refusal.
    """
    ordered = ORDERED.match(jql)
    if ordered is None:
        raise Refusal(400, f"Error in the JQL Query: the sandbox does not understand {jql!r}")
    where = ordered["where"]
    if not where:
        raise Refusal(400, UNBOUNDED)
    terms = where.split(" AND ")
    tests = [_test(term, zone, fold) for term in terms]
    projects = frozenset(name for term in terms if term.startswith("project") for name in _names(term))
    return Query(lambda issue: all(test(issue) for test in tests), projects)


def _test(term: str, zone: ZoneInfo, fold: int) -> Callable[[SandboxIssue], bool]:
    if listed := LISTED.match(term):
        names = _names(listed["names"])
        if listed["field"] == "project":
            return lambda issue: issue.project in names
        return lambda issue: issue.issue_type in names
    if changed := CHANGED.match(term):
        local = datetime.strptime(changed["at"], "%Y-%m-%d %H:%M").replace(tzinfo=zone, fold=fold)
        at = local.timestamp()
        return lambda issue: issue.updated.timestamp() >= at
    raise Refusal(400, f"Error in the JQL Query: the sandbox does not understand {term!r}")


def _names(text: str) -> set[str]:
    return {name.replace('\\"', '"') for name in re.findall(r'"((?:[^"\\]|\\.)*)"', text)}
