"""What runs inside a measuring process?

An instance takes its slot, imports its one engine, loads the model, fills its feed, warms up, says
that it is ready, waits for the word, measures, and reports what it saw. `job` is what it is told
and what it answers; the timed region is `measure.measure`.

May import `placement`, `data`, `engines`, `host`. Never `session`, `report`, `cli`: an instance
knows nothing of its parent but the channel. `launch` starts it by module name.

Public names:
    `job.Job`: all that an instance is told, and the messages it answers with.
    `measure.measure`: the timed region.
    `worker.main`: the program; `mpi.worker.main` is the same under MPI.
"""
