"""What is done: reactions to changes, durable workflows, their steps and undo."""
