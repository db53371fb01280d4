"""Any system with a REST interface, described by a document instead of code. The document's fields: README.md."""

from connector_rest.adapter import Rest
from connector_rest.config import RestConfig

__all__ = ["Rest", "RestConfig"]
