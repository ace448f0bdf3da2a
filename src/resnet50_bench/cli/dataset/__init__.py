"""`r50 dataset`: its subcommands, and the cache of preprocessed crops."""
