"""Which names may be of one thing."""
