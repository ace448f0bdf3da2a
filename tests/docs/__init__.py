"""The documentation: its links, its picture, its commands."""
