"""From parameters to slots: defaults of the modes, sharing, no instance without work."""

from __future__ import annotations

import pytest
from tests.hosts.synthetic import Machine

from resnet50_bench.config import Mode, Precision, RunConfig, SharePer
from resnet50_bench.errors import ConfigError
from resnet50_bench.placement.layout import describe_size, plan_fewer, plan_layout

BIG = Machine(packages=2, nodes=(7, 7), smt=2)  # two sockets of two nodes of seven cores


@pytest.fixture(scope="module")
def host():
    return BIG.host()


def config(**asked: object) -> RunConfig:
    return RunConfig(**({"precision": Precision.AMX_INT8} | asked))


def shape(placement):
    return [(slot.sockets, slot.nodes, slot.cores, len(slot.streams)) for slot in placement.slots]


def assert_whole(placement):
    """Streams are disjoint and make up their slot."""
    for number, slot in enumerate(placement.slots):
        assert slot.instance == number
        own = [cpu for stream in slot.streams for cpu in stream]
        assert tuple(sorted(own)) == slot.cpus
        assert slot.threads == len(own) == len(set(own))


def test_throughput_is_one_instance_a_socket_without_streams(host):
    placement = plan_layout(config(), host)
    assert shape(placement) == [((0,), (0, 1), 14, 0), ((1,), (2, 3), 14, 0)]


class TestAccuracy:
    def test_instances_are_of_four_cores_and_every_cpu_is_a_stream(self, host):
        placement = plan_layout(config(mode=Mode.ACCURACY), host, batches=1000)
        assert [slot.cores for slot in placement.slots] == [4] * 6
        assert all(len(slot.streams) == 4 for slot in placement.slots)
        assert_whole(placement)

    def test_a_small_socket_is_one_instance(self):
        placement = plan_layout(config(mode=Mode.ACCURACY), Machine(nodes=(2,)).host(), batches=9)
        assert placement.slots[0].streams == ((0,), (1,))

    def test_what_is_asked_for_holds(self, host):
        placement = plan_layout(config(mode=Mode.ACCURACY, cores_per_instance=7), host, batches=99)
        assert [slot.cores for slot in placement.slots] == [7] * 4

    def test_no_instance_is_without_a_batch(self, host):
        placement = plan_layout(config(mode=Mode.ACCURACY), host, batches=2)
        assert [slot.cores for slot in placement.slots] == [4, 4]
        assert_whole(placement)
        used = {cpu for slot in placement.slots for cpu in slot.cpus}
        idle = {cpu for group in placement.idle_cores for cpu in group.cpus}
        assert len(used) + len(idle) == 28

    def test_more_instances_than_batches_are_refused(self, host):
        with pytest.raises(ConfigError, match="--instances 3: the images make 2 batches"):
            plan_layout(config(mode=Mode.ACCURACY, instances=3), host, batches=2)

    def test_fewer_later_keeps_the_size(self, host):
        asked = config(mode=Mode.ACCURACY)
        placement = plan_layout(asked, host, batches=1000)
        fewer = plan_fewer(asked, host, placement, 1)
        assert [(slot.cores, len(slot.streams)) for slot in fewer.slots] == [(4, 4)]
        assert plan_fewer(asked, host, placement, 6) is placement


class TestWeightSharing:
    def test_one_process_a_socket_with_streams_of_its_cores(self, host):
        placement = plan_layout(config(weight_sharing=True, cores_per_instance=7), host)
        assert shape(placement) == [((0,), (0, 1), 14, 2), ((1,), (2, 3), 14, 2)]
        assert_whole(placement)
        assert placement.cores_per_instance == 7
        assert describe_size(placement) == "2 instances with 4 streams x 7 threads"

    def test_one_process_a_node(self, host):
        asked = config(weight_sharing=True, cores_per_instance=3, share_per=SharePer.NODE)
        placement = plan_layout(asked, host)
        assert [(slot.nodes, len(slot.streams)) for slot in placement.slots] == [
            ((0,), 2), ((1,), 2), ((2,), 2), ((3,), 2),
        ]  # fmt: skip
        assert_whole(placement)

    def test_the_default_stream_has_four_cores(self, host):
        placement = plan_layout(config(weight_sharing=True), host)
        assert shape(placement)[0][2:] == (12, 3)

    def test_in_latency_mode_a_stream_is_as_large_as_a_query(self, host):
        placement = plan_layout(config(weight_sharing=True, mode=Mode.LATENCY), host)
        assert shape(placement) == [((0,), (0, 1), 14, 14), ((1,), (2, 3), 14, 14)]

    def test_a_stream_of_more_threads_than_images_is_refused(self, host):
        asked = config(weight_sharing=True, cores_per_instance=4, batch_size=3)
        with pytest.raises(ConfigError, match="use a --batch-size of 4 or more"):
            plan_layout(asked, host)

    def test_accuracy_has_one_process_a_socket(self, host):
        asked = config(weight_sharing=True, mode=Mode.ACCURACY)
        placement = plan_layout(asked, host, batches=1000)
        assert [len(slot.streams) for slot in placement.slots] == [12, 12]
        assert_whole(placement)

    def test_instances_are_streams(self, host):
        asked = config(weight_sharing=True, cores_per_instance=2, instances=5)
        placement = plan_layout(asked, host)
        assert [len(slot.streams) for slot in placement.slots] == [3, 2]
        assert_whole(placement)

    def test_with_smt_a_stream_has_all_threads_of_its_cores(self, host):
        asked = config(weight_sharing=True, cores_per_instance=7, smt=True)
        placement = plan_layout(asked, host)
        assert [len(stream) for slot in placement.slots for stream in slot.streams] == [14] * 4
        assert_whole(placement)


class TestMpi:
    """What each host gets is placed as without MPI, unless processes are counted by the socket."""

    @pytest.mark.parametrize(
        "asked",
        [
            {"instances": 2},
            {"instances": 3, "cores_per_instance": 2},
            {"instances": 1, "cores_per_instance": 28, "span_sockets": True},
            {"mode": Mode.LATENCY, "instances": 5},
            {"weight_sharing": True},
            {"weight_sharing": True, "share_per": SharePer.NODE, "cores_per_instance": 3},
            {"mode": Mode.ACCURACY},
        ],
        ids=str,
    )
    def test_instances_and_shared_weights(self, host, asked):
        assert plan_layout(config(mpi=True, **asked), host) == plan_layout(config(**asked), host)

    def test_counted_by_the_socket(self, host):
        placement = plan_layout(config(mpi=True, num_mpi=2), host)
        assert [slot.cores for slot in placement.slots] == [7] * 4

    def test_so_many_processes_on_each_socket_share_all_of_it_in_accuracy_mode(self, host):
        asked = config(mpi=True, num_mpi=2, mode=Mode.ACCURACY)
        placement = plan_layout(asked, host)
        assert [(slot.cores, len(slot.streams)) for slot in placement.slots] == [(7, 7)] * 4
        assert [slot.cores for slot in plan_fewer(asked, host, placement, 3).slots] == [7] * 3
