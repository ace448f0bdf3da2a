from __future__ import annotations

import pytest
from tests.unit.planning.plans import EIGHT_CORES

from resnet50_bench.planning import plan as plan_module


@pytest.fixture
def host(monkeypatch):
    """Two sockets of four cores, in place of this machine."""
    machine = EIGHT_CORES.host()
    monkeypatch.setattr(plan_module, "read_host", lambda: machine)
    return machine


@pytest.fixture
def images(tmp_path) -> str:
    """Five files that look like images; planning opens none of them."""
    for number in range(5):
        (tmp_path / f"{number}.jpg").write_bytes(b"x" * number)
    (tmp_path / "notes.txt").write_bytes(b"x")
    return str(tmp_path)
