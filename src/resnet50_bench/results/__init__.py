"""What was measured, and what can be computed of it?

One record a run: integer nanoseconds, what really ran, where, with which parameters. Everything
that is ever printed is computed from it, so a record from another machine is as good as one's own.

May import `instance.job` (what instances answer), `placement`, `model`'s manifest, `engines`' kernel
shares.

Public names:
    `record.Record`: a run. `record.read_record`, `record.write_record`: from and to its folder.
    `kpi.run_kpis`: throughput and latency over the common window.
    `accuracy.compute_accuracy`: accuracy and its interval.
"""
