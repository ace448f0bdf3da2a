"""How does it look as the framework's KPIs: its text format, tables of many runs, its old logs."""
