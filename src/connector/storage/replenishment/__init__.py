"""Shelves that are filled up: their facts, the rows of replenishments, and what hangs on them."""
