"""Programs that run inside the real systems, in their own interpreters."""
