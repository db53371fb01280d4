"""Serves a Roundup tracker: python roundup_program.py TRACKER PORT."""

import sys
from wsgiref.simple_server import make_server

from roundup.cgi.wsgi_handler import RequestDispatcher

if __name__ == "__main__":
    # roundup-server refuses to run as root; this is the way for other web servers.
    make_server("127.0.0.1", int(sys.argv[2]), RequestDispatcher(sys.argv[1])).serve_forever()
