from __future__ import annotations

import io
import json

import pytest
from rich.console import Console
from tests.records import make_record

from resnet50_bench.engines.onednn_trace import parse_trace
from resnet50_bench.report.terminal.profile import list_kernels, print_profile, summarize_profile
from resnet50_bench.results.kernel_logs import Part, Profile
from resnet50_bench.results.layer_limits import compute_layers

CONVOLUTION = (
    "onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv_1x1:avx10_1_512_amx,forward_training,"
    "src:u8::blocked:acdb::f0 wei:s8:a:blocked:AcdB64a4b::f0 dst:u8::blocked:acdb::f0,"
    "attr-scratchpad:user,alg:convolution_direct,{problem},{time}"
)
REORDER = (
    "onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32::blocked:acdb::f0 "
    "dst:s8::blocked:acdb::f0,,,32x224x224x3,2.5"
)
LINES = [
    "onednn_verbose,v1,info,oneDNN v3.7.3 (commit N/A)",
    "onednn_verbose,v1,info,cpu,runtime:threadpool,nthr:2",
    "onednn_verbose,v1,info,cpu,isa:Intel AVX-512, and Intel AMX",
    CONVOLUTION.format(problem="mb32_ic64", time="40"),
    CONVOLUTION.format(problem="mb32_ic64", time="30"),
    CONVOLUTION.format(problem="mb32_ic256", time="27.5"),
    REORDER,
]
TEXT = """\
Run      a
Counted  the measured queries; instances 0-1
oneDNN   3.7.3, threadpool, Intel AVX-512, and Intel AMX
Queries  2 in 125.0 ms, of which oneDNN's primitives took 80.0%

primitive    dtype    ISA              calls     ms   share
convolution  u8s8     avx10_1_512_amx      3   97.5   97.5%
reorder      f32->s8  jit:uni              1    2.5    2.5%
all                                        4  100.0  100.0%
reorders, which move data and compute nothing, took 2.5%
"""
PROBLEMS = """
the 2 costliest of 3 problems
primitive    dtype  ISA              calls    ms  share  problem
convolution  u8s8   avx10_1_512_amx      2  70.0  70.0%  mb32_ic64
convolution  u8s8   avx10_1_512_amx      1  27.5  27.5%  mb32_ic256
"""


def summarize(profile: Profile):
    return summarize_profile("a", profile, compute_layers(make_record(), profile))


def make_profile(lines=LINES, **changes) -> Profile:
    trace = parse_trace(lines)
    fields = {
        "part": Part.MEASURED,
        "instances": (0, 1),
        "trace": trace,
        "total_ms": sum(item.time_ms for item in trace.problems),
        "queries": 2,
        "query_ms": 125.0,
    }
    return Profile(**(fields | changes))


def render(profile: Profile, top: int = 0) -> str:
    stream = io.StringIO()
    print_profile(
        Console(file=stream, width=60, soft_wrap=True, highlight=False), "a", profile, top
    )
    return stream.getvalue()


def test_the_kernels_and_what_the_reorders_cost():
    assert render(make_profile()) == TEXT


def test_the_costliest_problems():
    assert render(make_profile(), 2) == TEXT + PROBLEMS
    assert "the 3 costliest of 3 problems" in render(make_profile(), 10)


def test_a_trace_has_no_queries_and_says_what_it_is():
    text = render(make_profile(part=Part.TRACED, instances=(3,), queries=None, query_ms=None))
    assert "Counted  one traced batch per instance; instance 3\n" in text
    assert "Queries" not in text


def test_lines_not_understood_are_told():
    text = render(make_profile([*LINES, LINES[3][:80]]))
    assert text.endswith("warning: 1 lines were cut or not understood\n")


def test_times_of_zero():
    profile = make_profile([CONVOLUTION.format(problem="mb1", time="0")])
    assert "convolution  u8s8   avx10_1_512_amx      1  0.0   0.0%" in render(profile)


def test_what_oneDNN_does_not_say_of_itself():  # noqa: N802
    assert "oneDNN   version unknown\n" in render(make_profile(LINES[3:]))


def test_what_stayed_outside_of_the_convolutions_is_told():
    profile = make_profile(not_fused={"Add": 16, "Relu": 16})
    assert "Not fused  16 x Add, 16 x Relu: operations of their own, in each query\n" in render(
        profile
    )
    assert summarize(profile)["not_fused"] == {"Add": 16, "Relu": 16}


def test_as_json():
    summary = json.loads(json.dumps(summarize(make_profile())))
    assert summary.pop("layers")["layers"] == []
    kernels, problems = summary.pop("kernels"), summary.pop("problems")
    assert summary == {
        "run_id": "a",
        "part": "measured",
        "instances": [0, 1],
        "onednn": {
            "version": "3.7.3",
            "runtime": "threadpool",
            "isa": "Intel AVX-512, and Intel AMX",
        },
        "not_fused": {},
        "queries": 2,
        "query_ms": 125.0,
        "total_ms": 100.0,
        "unparsed_lines": 0,
    }
    amx = {"primitive": "convolution", "dtype": "u8s8", "isa": "avx10_1_512_amx"}
    assert kernels[0] == {**amx, "calls": 3, "ms": pytest.approx(97.5), "share": 0.975}
    assert problems[0] == {**amx, "problem": "mb32_ic64", "calls": 2, "ms": 70.0, "share": 0.7}
    assert [item["problem"] for item in problems] == ["mb32_ic64", "mb32_ic256", "32x224x224x3"]
    shares = [item.share for item in list_kernels(make_profile())]
    assert sum(shares) == pytest.approx(1)
