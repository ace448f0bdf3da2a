"""`r50 sweep`: its flags, how it is gone through, and what is shown meanwhile."""
