"""Every answer that vendors document, read by our adapters."""
