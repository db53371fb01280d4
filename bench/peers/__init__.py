"""What Connector's GraphQL is measured against: the same queries over the same rows, as people write servers."""
