"""Names that stand for what the catalogue calls otherwise: kept, looked up, suggested, and what hangs on doubles."""
