"""Many hosts: what each of them measured, put together.

What it answers: which records belong to one run of several nodes, whether they contradict each
other, and what the nodes reached together.

It may import records and what is computed from them; it starts nothing and prints nothing.

Public names: `collect.read_nodes`, `collect.require_agreement`, `collect.collect`.
"""
