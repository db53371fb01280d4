"""Adapter request_tracker."""
