"""The GraphQL schema."""

from connector.api.schema.build import build_schema, export

__all__ = ["build_schema", "export"]
