"""How does it look on a terminal: one file a subject, plain text when nobody looks."""
