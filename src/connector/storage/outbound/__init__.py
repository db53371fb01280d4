"""Changes on their way to other systems."""
