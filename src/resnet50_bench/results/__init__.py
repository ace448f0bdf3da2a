"""What was measured, and what can be computed of it?

One record a run: integer nanoseconds, what really ran, where, with which parameters. Everything
that is ever printed is computed from it, so a record from another machine is as good as one's own.

May import `instance` (what instances answer), `placement`, `model` (its manifest), `engines` (the
kernels that ran).

Public names:
    `record.Record`: a run.
    `files.read_record`, `files.write_record`: from its folder, and to it.
    `kpi.run_kpis`: throughput and latency over the common window.
    `pace.compute_pace`: how fast an evaluation went.
    `accuracy.compute_accuracy`: accuracy and its interval.
"""
