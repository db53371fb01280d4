"""The demo: a made-up company's fleet on sandbox systems, run by the real hub through the real adapters."""
