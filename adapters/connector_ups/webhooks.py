"""How alerts of UPS prove themselves: by a credential that is sent along. Pure."""

from __future__ import annotations

from dataclasses import replace

from connector.sdk import WebhookRequest, require_secret

SCHEME = "bearer "


def require_credential(request: WebhookRequest, *, header: str, secret: str) -> None:
    """Check the credential in constant time, with or without the word Bearer before it. Raises AuthError."""
    given = request.headers.get(header, "")
    bare = given[len(SCHEME) :] if given[: len(SCHEME)].lower() == SCHEME else given
    require_secret(replace(request, headers={header: bare}), header=header, secret=secret)
