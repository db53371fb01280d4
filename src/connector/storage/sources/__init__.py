"""The connections to external systems: references, quarantine, inbox, how they fare."""
