"""Two hosts and the machine that their user sits at, made of this one for all tests of the folder."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.namespaces import SWITCH, Network, connected
from tests.process.conftest import R50, make_r50

from .secure_shell import SecureShell, find_obstacle

ASKED_VARIABLE = "R50_TEST_CLUSTER"
MPICH_VARIABLE = "R50_MPICH_PYTHON"
ADDRESSES = {"nodeA": "10.78.0.1", "nodeB": "10.78.0.2", SWITCH: "10.78.0.9"}
HOSTS = ("nodeA", "nodeB")


@pytest.fixture(scope="session")
def network(tmp_path_factory) -> Iterator[Network]:
    if not os.environ.get(ASKED_VARIABLE):
        pytest.skip("makes networks and starts daemons: `make test-cluster` runs it")
    if os.geteuid() != 0:
        pytest.skip("only root may make network namespaces")
    if shutil.which("ip") is None:
        pytest.skip("no ip command: install Debian's iproute2")
    if len(os.sched_getaffinity(0)) < 2:
        pytest.skip("two instances need two cores")
    try:
        with connected(tmp_path_factory.mktemp("network"), ADDRESSES) as network:
            yield network
    except subprocess.CalledProcessError as error:
        pytest.skip(f"no right to make network namespaces: {error.stderr}")


@pytest.fixture(scope="session")
def secure_shell(network, tmp_path_factory) -> Iterator[SecureShell]:
    obstacle = find_obstacle()
    if obstacle is not None:
        pytest.skip(obstacle)
    shell = SecureShell(tmp_path_factory.mktemp("ssh"), network)
    with shell.serving():
        yield shell


def find_python(kind: str) -> str:
    """The Python of a virtual environment that holds this MPI; skips where there is none."""
    if kind == "Open MPI":
        python = Path(sys.executable)
        if not python.with_name("prted").exists():
            pytest.skip("no Open MPI beside this Python: install the extra mpi")
        return str(python)
    python = os.environ.get(MPICH_VARIABLE)
    if not python or not Path(python).exists():
        pytest.skip(f"${MPICH_VARIABLE} names no Python with MPICH: `make test-cluster` makes one")
    return python


@pytest.fixture
def r50(tmp_path) -> R50:
    return make_r50(tmp_path)
