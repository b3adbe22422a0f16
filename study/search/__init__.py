"""Many trials: the driver, its workers, the sampler."""
