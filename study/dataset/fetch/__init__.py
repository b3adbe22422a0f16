"""Sets of images that are downloaded once and kept in the cache of the user."""
