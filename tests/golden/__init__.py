"""Whole outputs, kept as files; `python -m tests.golden.test_reports` writes them anew."""
