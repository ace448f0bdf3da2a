"""What machine is this, and what may this process use of it?

Everything read from `/sys`, `/proc` and the kernel's calls, as typed values; and the few things a
process can ask of its host: a memory policy, an allocator, a limit on how deep idle CPUs sleep.
Nothing here decides what a run does.

Imports nothing above the words of the package root: everybody may stand on it.

Public names:
    `machine.Host`, `machine.read_host`: the machine, its cores, nodes, memory and CPU flags.
    `files.read_host_file`: the same, captured on another machine.
    `specs.describe_host`: a machine described in a few words, such as `2x56x2 snc4`.
"""
