"""The page that the code on a label leads to. HTML without scripts: any phone shows it. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime
from html import escape
from zoneinfo import ZoneInfo

from connector.sdk.labels import spaced
from connector_manual_courier.book import Pickup
from connector_manual_courier.reports import REPORTED, Link, Report

AGO = {0: "now", 15: "15 minutes ago", 30: "30 minutes ago", 60: "1 hour ago", 120: "2 hours ago", 240: "4 hours ago",
       480: "8 hours ago", 1440: "yesterday at this time"}  # fmt: skip
STYLE = (
    "body{font:18px/1.5 sans-serif;margin:1em;max-width:28em}label{display:block;margin:.6em 0}"
    "input,select,button{font:inherit;width:100%;padding:.5em;box-sizing:border-box}button{margin:.25em 0}"
)


def form_page(
    number: str, carrier: str, secret: str, now: datetime, zone: ZoneInfo, waits: Sequence[Pickup] = ()
) -> str:
    """What can be said of a parcel. The form can be sent for an hour, and sent twice it counts once.

    waits: where somebody is to come for it.
    """
    return _page(carrier, [*_waiting(waits, zone), *_form(number, secret, now, zone)])


def _waiting(waits: Sequence[Pickup], zone: ZoneInfo) -> Iterator[str]:
    for pickup in waits:
        begin, end, at = pickup.earliest.astimezone(zone), pickup.latest.astimezone(zone), pickup.at
        place = ", ".join(filter(None, (at.name, at.company, at.address.line1, at.address.city)))
        until = f"{end:%H:%M}" if begin.date() == end.date() else f"{end:%a %d %b, %H:%M}"
        text = f"Waits at {place}: {begin:%a %d %b, %H:%M} to {until}. {pickup.instructions}".strip()
        yield f"<p>{escape(text)}</p>"


def thanks_page(number: str, carrier: str, report: Report) -> str:
    """That it was taken in."""
    said = f"<p>Thank you. “{escape(REPORTED[report.status])}” is recorded.</p><p>You may close this page.</p>"
    return _page(carrier, [f"<h1>{escape(spaced(number))}</h1>{said}"])


def void_page(number: str, carrier: str) -> str:
    """That nobody is to carry it."""
    said = "<p>This label was cancelled: do not carry the parcel. Bring it back to the hub that it is from.</p>"
    return _page(carrier, [f"<h1>{escape(spaced(number))}</h1>{said}"])


def problem_page(carrier: str, problem: str) -> str:
    """That it could not be read."""
    return _page(carrier, [f"<h1>Not recorded</h1><p>{escape(problem)}</p>"])


def _form(number: str, secret: str, now: datetime, zone: ZoneInfo) -> Iterator[str]:
    yield f"<h1>{escape(spaced(number))}</h1><p>As of {now.astimezone(zone):%a %d %b, %H:%M}.</p>"
    yield f'<form method="post" action="?{escape(Link(number, now).query(secret))}">'
    yield '<label>Your name <input name="by" maxlength="100" autocomplete="name"></label>'
    yield '<label>When <select name="ago_minutes">'
    yield from (f'<option value="{minutes}">{text}</option>' for minutes, text in AGO.items())
    yield '</select></label><label>Where <input name="place" maxlength="200"></label>'
    yield '<label>Who took it, or what is wrong <input name="note" maxlength="1000"></label>'
    for status, text in REPORTED.items():
        yield f'<button name="status" value="{status.value}">{escape(text)}</button>'
    yield "</form>"


def _page(title: str, parts: Iterator[str] | list[str]) -> str:
    head = f'<meta charset="utf-8"><meta name="viewport" content="width=device-width"><title>{escape(title)}</title>'
    return f'<!doctype html><html lang="en">{head}<style>{STYLE}</style>{"".join(parts)}'
