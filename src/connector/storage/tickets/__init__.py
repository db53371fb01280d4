"""What is decided and done for tickets: decisions, orders, events, tasks."""
