"""Requests for approval, delegations, and red channels."""
