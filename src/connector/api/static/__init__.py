"""Files that browsers load: the GraphiQL page. How they are built: `tools/graphiql`."""

from __future__ import annotations

from pathlib import Path

HERE = Path(__file__).parent
GRAPHIQL = HERE / "graphiql.html"
SERVED = {"graphiql.js": "text/javascript", "graphiql.css": "text/css", "LICENSES.txt": "text/plain"}
"""File -> media type."""
