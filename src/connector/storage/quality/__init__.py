"""How good the data is: the measures, their history, and what products and sites come to."""
