from __future__ import annotations

import pytest
from tests.hosts.synthetic import GENOA_NPS4, SPR, SPR_SNC4, SRF, Machine, write_host

from resnet50_bench.errors import HostSpecError
from resnet50_bench.host.machine import read_host
from resnet50_bench.host.specs import describe_host, is_spec


@pytest.mark.parametrize(
    ("spec", "machine"),
    [
        ("1x8", Machine(nodes=(8,))),
        ("2x56x2", SPR),
        ("2x56x2 snc4", SPR_SNC4),
        ("2X56X2,SNC4", SPR_SNC4),
        (" 2x56x2snc4 ", SPR_SNC4),
        ("2x96x2 nps4", GENOA_NPS4),
        ("2x144", SRF),
        ("1x8x2+8", Machine(nodes=(16,), smt=2, efficient=8)),
        ("1x6x2+8+2", Machine(nodes=(16,), smt=2, efficient=8, low_power=2)),
        ("2x4+4", Machine(packages=2, nodes=(8,), efficient=4)),
    ],
)
def test_a_described_host_is_numbered_as_a_real_one(tmp_path, spec, machine):
    described, real = describe_host(spec), read_host(write_host(tmp_path, machine))
    assert is_spec(spec)
    assert described.cores == real.cores
    assert [(node.id, node.cpus) for node in described.nodes] == [
        (node.id, node.cpus) for node in real.nodes
    ]
    for name in (
        "total_sockets",
        "total_cores",
        "online_cpus",
        "allowed_cpus",
        "smt",
        "quota_cpus",
    ):
        assert getattr(described, name) == getattr(real, name), name


def test_nothing_is_claimed_of_what_was_not_said():
    host = describe_host("2x8 snc2")
    assert (host.hostname, host.cpu_model, host.cpu_flags) == ("2x8 snc2", "unknown", ())
    assert {node.memory_bytes for node in host.nodes} == {None}
    assert host.memory_total_bytes == 0


@pytest.mark.parametrize(
    ("spec", "message", "advice"),
    [
        ("2x56x2 snc3", "56 cores per socket cannot be divided into 3 equal memory nodes", "1, 2, 4, 7, 8, 14; "),
        ("0x8", "'0x8' has no sockets", "each 1 or more"),
        ("2x0", "'2x0' has no cores per socket", "each 1 or more"),
        ("2x8x0", "has no threads per core", "each 1 or more"),
        ("2x8 nps0", "has no memory nodes per socket", "each 1 or more"),
        ("99x999x2", "has 197802 hardware threads and 99 memory nodes: Linux knows at most", "SOCKETSxCORES"),
        ("1x8x2+0", "'1x8x2+0' has no E cores per socket", "each 1 or more"),
        ("1x8x2+8 snc2", "a hybrid CPU has one memory node per socket", "leave sncN or npsN out"),
        ("big", "'big' does not describe a host", "2x56x2 snc4"),
        ("2x8x2x2", "does not describe a host", "SOCKETSxCORES[xTHREADS]"),
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(spec, message, advice):
    with pytest.raises(HostSpecError) as caught:
        describe_host(spec)
    assert message in caught.value.message
    assert advice in caught.value.advice
    assert caught.value.exit_code == 2


@pytest.mark.parametrize("text", ["big.json", "./2x8", "2x", "2x8 numa4", "x8", ""])
def test_everything_else_is_a_file(text):
    assert not is_spec(text)
