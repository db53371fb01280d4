"""The database itself: engine, transactions, rows with their change log, locks."""
