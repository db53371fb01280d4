"""YAML documents that an adapter reads, with the line and column of everything in them."""

from connector.model.marks import QUICK_LOADER, Mark, Marked, compose, yaml_problem

__all__ = ["QUICK_LOADER", "Mark", "Marked", "compose", "yaml_problem"]
