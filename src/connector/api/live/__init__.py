"""Subscriptions as clients have them: shared streams, over a WebSocket or as server-sent events."""
