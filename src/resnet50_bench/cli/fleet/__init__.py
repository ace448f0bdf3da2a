"""`r50 fleet`: many machines."""
