"""Where spares of a product belong for a region, and whether they stand there."""
