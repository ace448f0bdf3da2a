"""Many hosts: what did each of them measure, and what do they reach together?

Which records belong to one run of several nodes, and whether they contradict each other.

May import `results`, `verdict` and what they stand on; it starts nothing and prints nothing.

Public names:
    `collect.read_nodes`: the records of many nodes.
    `collect.require_agreement`, `collect.collect`: whether they agree; what they reached together.
"""
