"""Images: where they come from, which belong together, how they are divided."""
