from resnet50_bench.report.engines import render_engines, summarize_engines
from resnet50_bench.search.engines import EngineFigures, EngineRow

MIB = 1024**2
SLOW = EngineRow(
    engine="tensorflow",
    runtime="tensorflow 2.21.0",
    figures=EngineFigures(images_per_s=99.0, latency_ms=21.504, limit_share=0.876,
                          memory_bytes=1900 * MIB, start_s=12.34),
    rounds=3, same_class=125, probe_images=128,
)  # fmt: skip
FAST = EngineRow(
    engine="openvino",
    runtime="openvino 2026.4.1",
    figures=EngineFigures(images_per_s=101.5, latency_ms=19.0, memory_bytes=700 * MIB, start_s=3.0),
    rounds=2, same_class=126, probe_images=128, reason="INVALID: others",
)  # fmt: skip
ABSENT = EngineRow(engine="pytorch", reason="the pytorch engine needs torch")


def test_the_fastest_stands_first_and_what_cannot_run_last_with_why():
    lines = render_engines([ABSENT, SLOW, FAST], "avx_int8").splitlines()
    assert lines[:4] == [
        "engine             images/s  batch-1 ms  of limit    memory   start  as fp32  rounds",
        "openvino 2026.4.1    101.50       19.00         -   700 MiB   3.0 s  126/128       2  "
        "INVALID: others",
        "tensorflow 2.21.0     99.00       21.50     87.6%  1900 MiB  12.3 s  125/128       3",
        "pytorch                   -           -         -         -       -        -       -  "
        "the pytorch engine needs torch",
    ]
    assert lines[5].startswith("avx_int8; medians of the rounds")


def test_by_latency_where_only_that_was_measured():
    def alone(name, latency_ms):
        return EngineRow(engine=name, figures=EngineFigures(latency_ms=latency_ms))

    lines = render_engines([alone("a", 9.0), alone("b", 8.0)], "avx_fp32").splitlines()
    assert [line.split()[0] for line in lines[1:3]] == ["b", "a"]


def test_for_programs_everything_with_null_for_what_is_not_known():
    found = summarize_engines([ABSENT, SLOW], precision="avx_int8")
    assert found["precision"] == "avx_int8"
    first, last = found["engines"]
    assert first["figures"]["latency_ms"] == 21.504
    assert last["figures"]["images_per_s"] is None
    assert last["reason"] == "the pytorch engine needs torch"
