"""Which questions can be asked of thousands of runs at once?

The columns of two tables, one row a run and one row a query of it, filled from records, kept as
DuckDB's columns beside the records, and asked in SQL that only reads. The same rows go to data
frames.

May import `report` (a run's parameters in words) and what it stands on.

Public names:
    `columns.RUNS`, `columns.QUERIES`: the columns, with their units.
    `tables.open_tables`: the tables of a folder of runs, ready to be asked.
    `answers.render_csv`, `answers.render_json`: an answer as text.
"""
