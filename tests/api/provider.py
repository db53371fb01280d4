"""A little identity provider on the loopback: keys of its own, discovery, rotation, outage."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import jwt
import uvicorn
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from jwt.algorithms import ECAlgorithm, OKPAlgorithm
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

AUDIENCE = "connector"


class Provider:
    """Signs tokens for whoever a test names. asked: how often its keys were fetched."""

    def __init__(self) -> None:
        self.issuer = ""
        self.asked = 0
        self.is_out = False
        self.claims_to_be: str | None = None
        self.keys_at: str | None = None
        self.elliptic = generate_private_key(SECP256R1())
        self.edwards = Ed25519PrivateKey.generate()
        self.published = {
            "first": json.loads(ECAlgorithm.to_jwk(self.elliptic.public_key())),
            "edwards": json.loads(OKPAlgorithm.to_jwk(self.edwards.public_key())),
        }

    def rotate(self, kid: str) -> None:
        """Sign with a new key from now on, and publish it alone."""
        self.elliptic = generate_private_key(SECP256R1())
        self.published = {kid: json.loads(ECAlgorithm.to_jwk(self.elliptic.public_key()))}

    def claims(self, now: datetime) -> dict[str, Any]:
        """What a token says of Grace, a dispatcher."""
        return {
            "iss": self.issuer,
            "aud": AUDIENCE,
            "sub": "4711",
            "email": "grace@example.com",
            "exp": (now + timedelta(minutes=5)).timestamp(),
            "roles": ["dispatchers", "choir"],
        }

    def token(self, now: datetime, *, kid: str | None = "first", lasts: timedelta | None = None, **claims: Any) -> str:
        """A token of Grace; claims replace hers, None leaves one out."""
        body = self.claims(now) | ({} if lasts is None else {"exp": (now + lasts).timestamp()}) | claims
        return self.sign({name: value for name, value in body.items() if value is not None}, kid)

    def sign(self, claims: dict[str, Any], kid: str | None = "first") -> str:
        """The claims as a token, whatever they are."""
        payload = json.dumps(claims).encode()
        return jwt.PyJWS().encode(payload, self.elliptic, "ES256", headers={} if kid is None else {"kid": kid})

    async def about(self, _request: Request) -> Response:
        """Discovery."""
        if self.is_out:
            return Response(status_code=502)
        return JSONResponse(
            {"issuer": self.claims_to_be or self.issuer, "jwks_uri": self.keys_at or f"{self.issuer}/keys"}
        )

    async def keys(self, _request: Request) -> Response:
        """The public keys, and one that proves nothing."""
        self.asked += 1
        secret = {"kty": "oct", "k": "c2VjcmV0LXRoYXQtaXMtc2hhcmVkLWJ5LWV2ZXJ5Ym9keQ", "kid": "shared"}
        return JSONResponse({"keys": [secret, *({**key, "kid": kid} for kid, key in self.published.items())]})


@asynccontextmanager
async def provider_on_loopback() -> AsyncIterator[Provider]:
    """A provider that answers on a port of its own."""
    provider = Provider()
    app = Starlette(routes=[Route("/.well-known/openid-configuration", provider.about), Route("/keys", provider.keys)])
    server = uvicorn.Server(uvicorn.Config(app, host="127.0.0.1", port=0, lifespan="off", log_level="warning"))
    serving = asyncio.create_task(server.serve())
    while not server.started:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    provider.issuer = f"http://127.0.0.1:{server.servers[0].sockets[0].getsockname()[1]}"
    try:
        yield provider
    finally:
        server.should_exit = True
        await serving
