"""What is decided: pure functions from facts and policy to decisions with their explanation."""
