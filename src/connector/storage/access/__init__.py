"""Who may come in: keys that the hub keeps itself."""
