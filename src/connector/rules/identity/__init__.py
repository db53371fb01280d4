"""Which device a record is about: rules over what it and known devices state. Pure; see docs/identity.md."""
