"""Which site of a rollout is served from which hub, in which wave."""
