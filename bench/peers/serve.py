"""Serves the application of a module of this package with uvicorn as Connector is served: python -m ... NAME."""

from __future__ import annotations

import importlib
import os
import socket
import sys

import uvicorn

LOOP = os.environ.get("LOOP", "auto")
"""Of uvicorn's event loops: `connector serve` runs on uvloop, as `auto` does."""

if __name__ == "__main__":
    app = importlib.import_module(f"bench.peers.{sys.argv[1]}").app
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", int(os.environ["PORT"])))
    uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False, loop=LOOP)).run(sockets=[listener])
