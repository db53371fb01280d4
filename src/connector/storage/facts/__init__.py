"""What decisions look at, read in few statements."""
