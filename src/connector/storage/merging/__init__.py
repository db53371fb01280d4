"""Records of one device that are made one, and taken apart again: what hangs on a device, and the journal of it."""
