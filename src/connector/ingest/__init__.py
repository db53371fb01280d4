"""How records come in: pull loop, webhook inbox, normalise, apply, quarantine and replay."""
