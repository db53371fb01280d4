"""What exists: records, references, lifecycles, calendars, places, errors.

Pure: standard library and pydantic only; no I/O and no clock.
"""
