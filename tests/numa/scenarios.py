"""What is run in the guest: CPUs 0-3 are socket and node 0, 4-7 are 1; (0, 1) is a core, and so on."""

from __future__ import annotations

from .guest import Scenario

SCENARIOS = [
    Scenario("look", None, before=(("host", "show", "--json"), ("host", "show"), ("plan",))),
    Scenario("default", ()),
    Scenario("smt", ("--smt",)),
    Scenario("cpuset", (), {"cpuset.cpus": "2-5"}, before=(("host", "show"), ("plan",))),
    Scenario(
        "quota", (), {"cpu.max": "150000 100000", "memory.max": "1G"},
        before=(("host", "show"), ("plan",)),
    ),
    Scenario("far memory", (), {"cpuset.cpus": "4-7", "cpuset.mems": "0"},
             before=(("host", "show"),)),
    Scenario("spanning", ("--span-sockets", "--cores-per-instance", "3")),
]  # fmt: skip

WANTED = {
    "default": [("0,2", {0}), ("4,6", {1})],
    "smt": [("0-3", {0}), ("4-7", {1})],
    "cpuset": [("2", {0}), ("4", {1})],
    "quota": [("0", {0})],
    "far memory": [("4,6", {0})],
    "spanning": [("0,2,4", {0, 1})],
}
"""The affinity and the memory nodes of each instance."""
