"""What is decided. Pure: policy, conditions, arrival times, sourcing; no I/O, no clock, no database.

`policy.reading.read_policy` reads a policy document, `sourcing.decide.decide` applies it to the facts of a ticket, and
the `sourcing.decision.Decision` explains itself. See docs/rules.md.
"""
