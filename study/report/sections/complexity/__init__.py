"""How complex the network should be."""
