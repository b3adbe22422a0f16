"""One trial: the full training loop and its diagnosis."""
