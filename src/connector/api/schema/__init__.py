"""The GraphQL schema."""

from connector.api.schema.build import build_schema, export, export_subgraph, new_schema

__all__ = ["build_schema", "export", "export_subgraph", "new_schema"]
