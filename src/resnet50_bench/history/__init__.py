"""Since when is a machine slower, by how much, and what changed there at that time?

A history is a DuckDB file with a row a run: its speed, what was asked, and what was found of the
host and its software. The runs of one host that asked for the same make a series, and the series
tells its changes.

May import `query` (DuckDB) and what it stands on; it starts nothing and prints nothing.

Public names:
    `store.open_history`: a history, to be added to and read.
    `series.find_states`: the series of a history, their changes, and what changed with them.
    `rendering.render_states`, `rendering.summarize_states`: the answer as text, and for JSON.
"""
