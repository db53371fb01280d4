"""Settings: what `connector.toml` and the environment say, with every problem at once."""
