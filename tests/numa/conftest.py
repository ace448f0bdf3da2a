from __future__ import annotations

import os

import pytest

from .guest import Outcome, find_obstacle, run_guest
from .scenarios import SCENARIOS

ASKED_VARIABLE = "R50_TEST_NUMA"


@pytest.fixture(scope="session")
def outcomes(tmp_path_factory) -> dict[str, list[Outcome]]:
    """What the commands of each scenario did in the guest, which is booted once."""
    if not os.environ.get(ASKED_VARIABLE):
        pytest.skip("takes minutes: `make test-numa` runs it")
    obstacle = find_obstacle()
    if obstacle is not None:
        pytest.skip(obstacle)
    return run_guest(tmp_path_factory.mktemp("guest"), SCENARIOS)
