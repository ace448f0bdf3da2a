"""Images: where they come from, how they are prepared, and the pool a worker cycles through."""
