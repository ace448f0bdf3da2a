"""Real processes, started through the real command line."""
