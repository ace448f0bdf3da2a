"""Comparisons as text, JSON, CSV and Markdown: of answers, and of speeds."""
