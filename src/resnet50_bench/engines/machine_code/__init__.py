"""What kernels multiply with, for runtimes that name it less closely than a precision needs.

`instructions` is the one table: how each is encoded, its data type and its instruction set.
`executed` samples where a process computes and looks up the instructions there; `made` finds the
code that a process has made for itself, to be searched for them.
"""
