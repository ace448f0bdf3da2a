"""A run behind LoadGen as a part of an MLPerf submission, in the shape of its open division.

Public names:
    `checks.list_checks`: what would and what would not be accepted, by name.
    `folder.export_run`: puts a run where a submission has it.
"""
