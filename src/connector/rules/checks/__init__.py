"""What must hold of a policy document before it may decide: names, reachability, conflicts, and its own tests."""
