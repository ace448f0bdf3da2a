"""How does an instance live under MPI?

One rank is one instance, or, as rank 0's relay, the one that speaks to the parent for all. The
protocol is what parent and ranks agree on; `launch.mpi` is the parent's side.
"""
