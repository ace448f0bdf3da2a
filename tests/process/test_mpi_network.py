"""Two hosts with an address each, on a network of their own between them."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from tests.namespaces import connected

from .conftest import COMMAND, MEASURE
from .test_mpi import PROGRAM, pytestmark  # noqa: F401 - the same reasons to skip

ADDRESSES = {"nodeA": "10.77.0.1", "nodeB": "10.77.0.2"}
AGENT = """\
#!/bin/sh
while [ "${1#-}" != "$1" ]; do shift; done
case $1 in 10.77.0.1) set -- nodeA "$@";; 10.77.0.2) set -- nodeB "$@";; *) exit 9;; esac
name=$1; shift 2
case $name in nodeA) exec %s sh -c "$*";; nodeB) exec %s sh -c "$*";; esac
"""
"""Takes the place of ssh, which tests/cluster uses."""


@pytest.fixture
def network(r50):
    try:
        with connected(r50.root, ADDRESSES) as network:
            yield network
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("no right to make networks, or no ip command")


def test_ranks_find_each_other_over_the_network(r50, network):
    hosts, agent = r50.root / "hosts", r50.root / "agent"
    hosts.write_text("".join(f"{address} slots=2\n" for address in ADDRESSES.values()))
    entering = (shlex.join(network.enter(name)) for name in ADDRESSES)
    agent.write_text(AGENT % tuple(entering))
    agent.chmod(0o755)
    environment = {"PRTE_MCA_plm_ssh_agent": str(agent), "OMPI_MCA_plm_rsh_agent": str(agent)}
    if PROGRAM.kind == "MPICH":
        environment = {"HYDRA_LAUNCHER": "ssh", "HYDRA_LAUNCHER_EXEC": str(agent)}
    ended = r50(
        "run", *MEASURE, "--mpi", "--num-mpi", 2, "--hostfile", hosts,
        "--output", r50.output, command=network.enter("nodeA", *COMMAND), env=environment,
    )  # fmt: skip
    assert ended.code == 0, ended.stdout + ended.stderr
    record = r50.record()
    assert record.launch.hosts == tuple(ADDRESSES.values())
    assert [item.exit.kind for item in record.instances] == ["ok"] * 4
    assert f"{ADDRESSES['nodeB']}: " in ended.stdout
