"""The audit log: the change log, what happened to the hub itself beside it, and the chain that shows it untouched."""
