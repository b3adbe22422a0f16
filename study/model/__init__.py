"""The network, its augmentation, its capacity, its export."""
