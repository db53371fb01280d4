"""What a policy document says: its sections, its conditions, and how it is read."""
