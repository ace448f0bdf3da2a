"""`r50 tune`: its flags, and how a search is planned, run and told."""
