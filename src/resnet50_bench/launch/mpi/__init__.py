"""How are instances started under MPI, and watched from outside?

The parent starts one `mpirun`, speaks to rank 0 over a socket, and tells which rank was lost.
`instance.mpi` is the other side.
"""
