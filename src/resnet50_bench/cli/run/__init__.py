"""`r50 run`: its flags, and how one point or many are run."""
