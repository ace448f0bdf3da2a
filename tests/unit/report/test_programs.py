from resnet50_bench.report.programs import render_peers, summarize_peers
from resnet50_bench.search.programs import Peer

CLOSE = Peer(way="one query at a time", ours=100.4, theirs=100.0, ratio=1.004,
             interval=(0.999, 1.009), close=True, reason=None, rounds=4)  # fmt: skip
NONE = Peer(way="a stream on each core", ours=None, theirs=None, ratio=None, interval=None,
            close=False, reason="no round had a valid run of ours", rounds=0)  # fmt: skip
FOUND = [("openvino", "benchmark_app", CLOSE), ("openvino", "benchmark_app", NONE)]


def test_a_table_with_the_reason_where_they_differ():
    assert render_peers(FOUND, ["tensorflow"]).splitlines() == [
        "program        way                    r50, images/s  program  ratio   95 % interval  rounds",
        "benchmark_app  one query at a time           100.40   100.00  1.004  0.999 .. 1.009       4"
        "  within 1 %",
        "benchmark_app  a stream on each core              -        -      -               -       0"
        "  no round had a valid run of ours",
        "",
        "no benchmark program in its packages: tensorflow",
    ]


def test_everything_for_programs():
    found = summarize_peers(FOUND, ["tensorflow"], precision="avx_int8")
    assert found["precision"] == "avx_int8"
    assert found["peers"][0]["ratio"] == 1.004
    assert found["peers"][1]["reason"] == "no round had a valid run of ours"
    assert found["without_program"] == ["tensorflow"]
