"""Connector: a GraphQL integration hub for IT hardware logistics."""

__version__ = "0.1.0"
