"""Turns away what a page of another site has a browser send.

A body must be JSON, which no browser sends for another site without asking first (a preflight, which the hub answers
for the origins alone that are configured), so POST needs nothing more. A GET by a link, a form or an image asks nobody.
It cannot change anything, and its answer cannot be read from outside; but it would be run in the name of whoever looks
at that page.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import ClassVar

from starlette.datastructures import Headers
from strawberry.http.websocket_origin import is_same_origin

from connector.api.request import BadRequest

PREFLIGHT_HEADERS = ("apollo-require-preflight", "x-apollo-operation-name")
"""A browser sends them for another site only when it was allowed to. Apollo's clients send them by themselves."""

_SIMPLE_TYPES = frozenset({"application/x-www-form-urlencoded", "multipart/form-data", "text/plain"})


class CrossSite(BadRequest):
    """A page of another site asks."""

    code = "CROSS_SITE_REQUEST"
    status: ClassVar[int] = 403


def check_site(headers: Headers, allowed: Collection[str] = ()) -> None:
    """Raises CrossSite for a GET that a page of another site had sent, without being allowed to.

    Browsers say where a request comes from (`Sec-Fetch-Site` all of them since 2023, `Origin` for scripts); what says
    neither is no browser. allowed: origins whose pages may ask, by scripts that say where they are from.
    """
    site = headers.get("sec-fetch-site")
    origin = headers.get("origin")
    if site is not None:
        is_own = site in ("same-origin", "none")  # none: typed into the address bar, or a bookmark
    else:
        is_own = origin is None or is_same_origin(origin, headers.get("host"))
    if not is_own and origin not in allowed and not _was_preflighted(headers):
        raise CrossSite(
            f"a page of another site ({origin or site}) may not send queries by GET",
            hint=f"POST them as JSON, or send a header that a browser asks about first: {PREFLIGHT_HEADERS[0]}.",
        )


def _was_preflighted(headers: Headers) -> bool:
    content_type = headers.get("content-type", "").partition(";")[0].strip().lower()
    return (
        any(headers.get(name) for name in PREFLIGHT_HEADERS)
        or headers.get("authorization", "").lower().startswith("bearer ")
        or bool(content_type and content_type not in _SIMPLE_TYPES)
    )
