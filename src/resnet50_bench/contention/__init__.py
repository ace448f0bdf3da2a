"""Is anybody else using the cores of a run, and how much?

Two runs of r50 on the same cores would spoil each other, so a run holds an advisory lock on its
CPUs (`cpu_lock`): another run is told who holds them, or waits. Other programs know nothing of that
lock. They are seen by what the kernel counts: the time the CPUs were busy, less the time of our own
instances, is the time somebody else had (`sampler` reads, `samples` is what goes on record,
`processes` finds names). `shares` computes, from such a record alone, which part of the CPUs' time
was taken in the window and in each tenth of it, and by what.

The parent reads the counters about twenty times a window, and sleeps between. An instance reads
them twice, before its first query and after its last, so that hosts that only MPI reaches are seen
as well. Nothing here judges: what is too much is the verdict's to say.

May import `host`, `stats` and the package root.

Public names:
    `cpu_lock.hold_cpus`: take the CPUs of a run, or say who holds them.
    `sampler.Sampler`, `samples.Contention`: reads the counters; what a record holds of them.
    `shares.compute_taken`: who had which part of the CPUs' time.
"""
