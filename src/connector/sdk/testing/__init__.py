"""The contract kit: checks that every adapter must pass."""
