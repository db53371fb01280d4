"""Parcels: sent, tracked, in trouble, and the documents that go with them."""
