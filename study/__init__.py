"""Hyperparameter search and model-complexity studies of small CNNs on small medical image sets."""

__version__ = "0.1.0"
