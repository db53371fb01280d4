"""Which unit, from where, for a stated reason: candidates, ladders, ranking, explanation."""
