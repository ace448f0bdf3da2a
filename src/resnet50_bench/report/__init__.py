"""Renders records: the terminal, the logs and KPI text of the framework's format, JSON."""
