"""Units and their books: claimed, moved, given back, received."""
