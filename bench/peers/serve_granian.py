"""Serves the hub's application with granian on one event loop: python -m bench.peers.serve_granian."""

from __future__ import annotations

import os

import uvloop
from granian.constants import Interfaces
from granian.server.embed import Server

from bench.peers.hub_app import app

if __name__ == "__main__":
    server = Server(
        app,
        address="127.0.0.1",
        port=int(os.environ["PORT"]),
        interface=Interfaces.ASGI,
        runtime_threads=1,
        log_enabled=False,
    )
    uvloop.run(server.serve())
