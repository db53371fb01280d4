"""What a decision knows."""
