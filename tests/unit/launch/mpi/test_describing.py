"""What hosts say of themselves, and which of them did not."""

from __future__ import annotations

import pytest
from tests.hosts.synthetic import Machine

from resnet50_bench import __version__
from resnet50_bench.errors import HostError, RequestError
from resnet50_bench.instance.mpi.protocol import HostSeen, encode_report, frame_report
from resnet50_bench.launch.mpi import describing
from resnet50_bench.launch.mpi.command import MpiPlan, MpiProgram

PLAN = MpiPlan(MpiProgram("mpirun", "Open MPI", "5.0.11"), ("nodeA", "nodeB"), (1, 1))


def make_seen(version: str = __version__) -> HostSeen:
    return HostSeen(tool_version=version, host=Machine().host(), amx=None, boot_id="x")


def frame(rank: int, seen: HostSeen) -> bytes:
    return frame_report(rank, encode_report(seen))


def test_answers_come_in_the_order_of_the_hosts():
    other = make_seen("other")
    output = b"noise\n" + frame(1, other) + frame(0, make_seen())
    assert describing.parse_output(PLAN, output, "") == (make_seen(), other)


@pytest.mark.parametrize(
    ("said", "who"),
    [
        ("ssh: Could not resolve hostname nodeB: Name or service not known", "nodeB"),
        ("  Local host:    login\n  Remote host:   nodeB\n", "nodeB"),
        ("r50: HostError: mpi4py does not work on nodeB: it is not there", "nodeB"),
        ("something else", "nodeA, nodeB"),
        ("", "nodeA, nodeB"),
    ],
)
def test_who_did_not_answer_is_named(said, who):
    with pytest.raises(HostError) as caught:
        describing.parse_output(PLAN, b"", said)
    assert caught.value.message.startswith(f"{who} did not say what it is; Open MPI 5.0.11 says: ")


def test_an_answer_that_is_none_is_an_error():
    with pytest.raises(HostError, match="description cannot be read"):
        describing.parse_output(PLAN, frame_report(0, b"{}"), "")


def test_another_version_is_refused_by_name(monkeypatch):
    answers = make_seen(), make_seen("0.0.1")
    monkeypatch.setattr(describing, "_ask", lambda *_: answers)
    with pytest.raises(RequestError, match=r"^nodeB has resnet50-bench 0.0.1 and r50 is "):
        describing.describe_hosts(PLAN, {}, {})
