"""Looking ahead and back without touching anything: policies replayed over a history of tickets.

`backtest.backtest` compares two policies, `replay.replay` runs one. Pure: no clock, no database; what they start from
is a `scene.Scene`, which files (`connector.cli.backtest_files`) or the database (`connector.storage.facts.scene`) give.
"""
