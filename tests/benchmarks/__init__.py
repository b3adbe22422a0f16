"""Benchmarks: figures that take minutes; run by hand, never by pytest (see README.md)."""
