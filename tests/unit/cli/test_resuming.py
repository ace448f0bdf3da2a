"""A run is resumed as it was asked for, however the rest of it is started."""

from __future__ import annotations

import pytest
from tests.records import make_accuracy_config

from resnet50_bench.cli.run.resuming import start_anew
from resnet50_bench.errors import ConfigError
from resnet50_bench.parameters.parameter import Setting

BEFORE = make_accuracy_config(mpi=True, hostfile="hosts", batch_size=4)


def test_nothing_said_is_as_it_was():
    assert start_anew(BEFORE, []) == BEFORE


@pytest.mark.parametrize(
    ("said", "changes"),
    [
        ({"MPI": "False"}, {}),
        ({"INSTANCES": "3"}, {"instances": 3}),
        ({"MPI": "True", "HOSTFILE": "others"}, {"mpi": True, "hostfile": "others"}),
    ],
)
def test_what_is_said_replaces_all_of_it(said, changes):
    anew = start_anew(BEFORE, [Setting(name, value, name) for name, value in said.items()])
    nothing = {"mpi": False, "hostfile": None, "instances": None, "cores_per_instance": None}
    assert anew == make_accuracy_config(batch_size=4, **(nothing | changes))


def test_what_contradicts_itself_is_refused():
    with pytest.raises(ConfigError, match="without MPI"):
        start_anew(BEFORE, [Setting("NUM_MPI", "2", "--num-mpi")])
