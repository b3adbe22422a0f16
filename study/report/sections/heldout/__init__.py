"""The held-out test, and what was misclassified there."""
