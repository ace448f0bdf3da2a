"""`r50 serve`: the page of a folder, live on this machine."""
