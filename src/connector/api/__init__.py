"""How it is served: GraphQL, subscriptions, webhooks, health."""
