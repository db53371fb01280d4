"""What operators see of the hub: counts, and the trace that ties together what follows from one thing.

Below everything else and of the standard library alone, so that each layer may count and be traced.
"""
