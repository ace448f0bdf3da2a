"""Many hosts: what did each of them measure, what do they reach together, and which are slow?

Which records belong to one run of several nodes, and whether they contradict each other; which
machines of one model fall behind their peers, and what is set otherwise there; and how cases come
to hosts and records back.

May import `results`, `verdict` and what they stand on; it prints nothing.

Public names:
    `collect.read_nodes`: the records of many nodes.
    `collect.require_agreement`, `collect.collect`: whether they agree; what they reached together.
    `peers.compare_hosts`: hosts beside their peers.
    `conduct.measure_fleet`: cases run on hosts, by Ansible.
    `state.read_state`: what came of each case on each host.
"""
