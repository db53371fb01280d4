"""Adapter for sheets: sites, hubs, products, substitutes, assets and counted stock in CSV and XLSX files."""

from connector_file.adapter import File
from connector_file.config import FileConfig
from connector_file.templates import write_templates

__all__ = ["File", "FileConfig", "write_templates"]
