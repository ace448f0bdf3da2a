"""The trace's parser, on lines of real runs where no other source is named.

The v1 lines were captured from TensorFlow 2.21 (oneDNN 3.7.3) on an AVX-512 CPU with BF16 and
without AMX; its AVX2 and emulated ones under `ONEDNN_MAX_CPU_ISA`.
"""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from resnet50_bench.engines.base import KernelShare
from resnet50_bench.engines.onednn_trace import TRACE_ENVIRONMENT, ProblemTime, parse_trace

INFO = """\
onednn_verbose,v1,info,oneDNN v3.7.3 (commit N/A)
onednn_verbose,v1,info,cpu,runtime:threadpool,nthr:2
onednn_verbose,v1,info,cpu,isa:Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions
onednn_verbose,v1,info,gpu,runtime:none
onednn_verbose,v1,info,graph,backend,0:dnnl_backend
onednn_verbose,v1,primitive,info,template:operation,engine,primitive,implementation,prop_kind,memory_descriptors,attributes,auxiliary,problem_desc,exec_time
onednn_verbose,v1,graph,info,template:operation,engine,partition_id,partition_kind,op_names,data_formats,logical_tensors,fpmath_mode,implementation,backend,exec_time
""".splitlines()
REORDER = "onednn_verbose,v1,primitive,exec,cpu,reorder,jit:uni,undef,src:f32::blocked:cdba::f0 dst:f32::blocked:Acdb64a::f0,,,64x64x1x1,0.157959"
F32_1X1 = "onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv_1x1:avx512_core,forward_training,src:f32::blocked:acdb::f0 wei:f32:a:blocked:Acdb64a::f0 bia:f32:a:blocked:a::f0 dst:f32::blocked:acdb::f0,attr-scratchpad:user attr-post-ops:eltwise_relu,alg:convolution_direct,mb2_ic64oc64_ih56oh56kh1sh1dh0ph0_iw56ow56kw1sw1dw0pw0,1.12915"
F32_3X3 = "onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx512_core,forward_training,src:f32::blocked:acdb::f0 wei:f32:a:blocked:Acdb64a::f0 bia:f32:a:blocked:a::f0 dst:f32::blocked:acdb::f0,attr-scratchpad:user attr-post-ops:eltwise_relu,alg:convolution_direct,mb2_ic64oc64_ih56oh56kh3sh1dh0ph1_iw56ow56kw3sw1dw0pw1,2.75806"
F32_ROUNDABLE = "onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv_1x1:avx512_core,forward_training,src:f32::blocked:acdb::f0 wei:f32:a:blocked:Acdb64a::f0 bia:f32:a:blocked:a::f0 dst:f32::blocked:acdb::f0,attr-scratchpad:user attr-fpmath:bf16 attr-post-ops:eltwise_relu,alg:convolution_direct,mb2_ic64oc64_ih56oh56kh1sh1dh0ph0_iw56ow56kw1sw1dw0pw0,3.64209"
F32_AVX2 = "onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv_1x1:avx2,forward_training,src:f32::blocked:acdb::f0 wei:f32:a:blocked:Acdb16a::f0 bia:f32:a:blocked:a::f0 dst:f32::blocked:acdb::f0,attr-scratchpad:user attr-post-ops:eltwise_relu,alg:convolution_direct,mb2_ic64oc64_ih56oh56kh1sh1dh0ph0_iw56ow56kw1sw1dw0pw0,1.02295"
BF16 = "onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv_1x1:avx512_core_bf16,forward_training,src:bf16::blocked:acdb::f0 wei:bf16:a:blocked:AcdB64a2b::f0 bia:bf16:a:blocked:a::f0 dst:bf16::blocked:acdb::f0,attr-scratchpad:user attr-post-ops:eltwise_relu,alg:convolution_direct,mb2_ic64oc64_ih56oh56kh1sh1dh0ph0_iw56ow56kw1sw1dw0pw0,0.498047"
BF16_EMULATED = "onednn_verbose,v1,primitive,exec,cpu,convolution,jit_bf16:avx512_core,forward_training,src:bf16::blocked:acdb::f0 wei:bf16:a:blocked:ABcd8b16a2b::f0 bia:bf16:a:blocked:a::f0 dst:bf16::blocked:acdb::f0,attr-scratchpad:user attr-post-ops:eltwise_relu,alg:convolution_direct,mb2_ic64oc64_ih56oh56kh3sh1dh0ph1_iw56ow56kw3sw1dw0pw1,6.40503"
INT8 = "onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx512_core_vnni,forward_training,src:u8::blocked:acdb::f0 wei:s8:a:blocked:AcdB64a4b::f0 bia:undef::undef::: dst:s32::blocked:acdb::f0,attr-scratchpad:user attr-scales:src0:0:f32+dst:0:f32+wei:0:f32,alg:convolution_direct,mb2_ic64oc64_ih56oh56kh3sh1dh0ph1_iw56ow56kw3sw1dw0pw1,10.894"
POOLING = "onednn_verbose,v1,primitive,exec,cpu,pooling,jit:avx512_core,forward_training,src:bf16::blocked:acdb::f0 dst:bf16::blocked:acdb::f0 ws:u8::blocked:acdb::f0,,alg:pooling_max,mb2ic64_ih56oh28kh2sh2dh0ph0_iw56ow28kw2sw2dw0pw0,0.26001"
STAMPED = "onednn_verbose,v1,1795467176345.156982,primitive,exec,cpu,reorder,jit:uni,undef,src:f32::blocked:cdba::f0 dst:f32::blocked:Acdb64a::f0,,,64x64x1x1,3.34399"
CREATE = "onednn_verbose,v1,primitive,create:cache_miss,cpu,convolution,jit_bf16_1x1:avx512_core,forward_training,src:bf16::blocked:acdb::f0 wei:bf16:a:blocked:ABcd8b16a2b::f0 bia:bf16:a:blocked:a::f0 dst:bf16::blocked:acdb::f0,attr-scratchpad:user attr-post-ops:eltwise_relu,alg:convolution_direct,mb2_ic64oc64_ih56oh56kh1sh1dh0ph0_iw56ow56kw1sw1dw0pw0,0.689941"
# Of TensorFlow 2.21 (oneDNN 3.7.3) on a CPU with AMX and AVX512-FP16.
AMX_INT8 = "onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv_1x1:avx10_1_512_amx,forward_training,src:u8::blocked:acdb::f0 wei:s8:a:blocked:AcdB64a4b::f0 bia:f32:a:blocked:a::f0 dst:s8::blocked:acdb::f0,attr-scratchpad:user attr-scales:src0:0:f32+dst:0:f32+wei:1:f32 attr-post-ops:sum:0.0732869+eltwise_relu,alg:convolution_direct,mb32_ic64oc256_ih56oh56kh1sh1dh0ph0_iw56ow56kw1sw1dw0pw0,18.5381"
AMX_INT8_STEM = "onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx10_1_512_amx,forward_training,src:s8::blocked:acdb::f0 wei:s8:a:blocked:Adcb16a::f0 bia:f32:a:blocked:a::f0 dst:u8::blocked:acdb::f0,attr-scratchpad:user attr-scales:src0:0:f32+dst:0:f32+wei:1:f32 attr-post-ops:eltwise_relu,alg:convolution_direct,mb32_ic3oc64_ih224oh112kh7sh2dh0ph3_iw224ow112kw7sw2dw0pw3,71.6499"
AMX_BF16 = "onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx10_1_512_amx,forward_training,src:bf16::blocked:acdb::f0 wei:bf16:a:blocked:Adcb16a::f0 bia:bf16:a:blocked:a::f0 dst:bf16::blocked:acdb::f0,attr-scratchpad:user attr-post-ops:eltwise_relu,alg:convolution_direct,mb2_ic3oc64_ih224oh112kh7sh2dh0ph3_iw224ow112kw7sw2dw0pw3,0.956055"
SOFTMAX = "onednn_verbose,v1,primitive,exec,cpu,softmax,jit:avx10_1_512,forward_inference,src:f32::blocked:ab::f0 dst:f32::blocked:ab::f0,,alg:softmax_accurate axis:1,32x1001,0.0661621"

# The layouts below were written after oneDNN's "Verbose Mode" pages of each release.
OLDEST = "dnnl_verbose,exec,cpu,convolution,jit:avx2,forward_inference,src_f32::blocked:aBcd8b:f0 wei_f32::blocked:ABcd8b8a:f0 bia_undef::undef::f0 dst_f32::blocked:aBcd8b:f0,alg:convolution_direct,mb2_ic16oc16_ih7oh7kh5sh1dh0ph2_iw7ow7kw5sw1dw0pw2,0.0239258"
OLD = "onednn_verbose,exec,cpu,convolution,jit:avx2,forward_inference,src_f32::blocked:aBcd8b:f0 wei_f32::blocked:ABcd8b8a:f0 bia_undef::undef::f0 dst_f32::blocked:aBcd8b:f0,,alg:convolution_direct,mb2_ic16oc16_ih7oh7kh5sh1dh0ph2_iw7ow7kw5sw1dw0pw2,0.0239258"


def kernel_of(line: str) -> tuple[str, str, str]:
    trace = parse_trace([line])
    assert trace.unparsed == 0
    (kernel,) = trace.kernels
    assert (kernel.time_share, kernel.calls) == (1.0, 1)
    return kernel.primitive, kernel.dtype, kernel.isa


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        (F32_1X1, ("convolution", "f32", "avx512_core")),
        (F32_AVX2, ("convolution", "f32", "avx2")),
        (F32_ROUNDABLE, ("convolution", "f32/bf16", "avx512_core")),
        (BF16, ("convolution", "bf16", "avx512_core_bf16")),
        (BF16_EMULATED, ("convolution", "bf16", "avx512_core")),
        (INT8, ("convolution", "u8s8", "avx512_core_vnni")),
        (INT8.replace("src:u8", "src:s8"), ("convolution", "s8s8", "avx512_core_vnni")),
        (AMX_INT8, ("convolution", "u8s8", "avx10_1_512_amx")),
        (AMX_INT8_STEM, ("convolution", "s8s8", "avx10_1_512_amx")),
        (AMX_BF16, ("convolution", "bf16", "avx10_1_512_amx")),
        (SOFTMAX, ("softmax", "f32", "avx10_1_512")),
        (POOLING, ("pooling", "bf16", "avx512_core")),
        (REORDER, ("reorder", "f32->f32", "jit:uni")),
        (REORDER.replace("dst:f32", "dst:bf16"), ("reorder", "f32->bf16", "jit:uni")),
        (STAMPED, ("reorder", "f32->f32", "jit:uni")),
        (F32_1X1.replace("brgconv_1x1:avx512_core", "ref:any"), ("convolution", "f32", "any")),
        (
            F32_1X1.replace("brgconv_1x1:avx512_core", "x64:gemm:jit"),
            ("convolution", "f32", "x64:gemm:jit"),
        ),
        (F32_1X1.replace("src:f32:", "?"), ("convolution", "unknown", "avx512_core")),
        (F32_1X1.replace("wei:f32:", "?"), ("convolution", "unknown", "avx512_core")),
        (POOLING.replace("src:bf16:", "?"), ("pooling", "bf16", "avx512_core")),
    ],
)
def test_a_v1_line_gives_primitive_data_type_and_isa(line, expected):
    assert kernel_of(line) == expected


@pytest.mark.parametrize("isa", ["avx512_core_amx", "avx10_1_512_amx", "avx10_1_512_amx_fp16"])
def test_amx_lines_give_their_isa(isa):
    """Written after oneDNN's issues and public logs, but for the second."""
    line = BF16.replace("avx512_core_bf16", isa)
    assert kernel_of(line) == ("convolution", "bf16", isa)


@pytest.mark.parametrize("stamp", ["", "1700000000.123,"])
@pytest.mark.parametrize(
    "line", [OLDEST, OLD, OLD.replace("exec", "primitive,exec"), OLD.replace("exec", "v1,exec")]
)
def test_older_layouts_give_the_same_kernel(line, stamp):
    stamped = line.replace("_verbose,", f"_verbose,{stamp}").replace(f"{stamp}v1,", f"v1,{stamp}")
    assert kernel_of(stamped) == ("convolution", "f32", "avx2")


def test_shares_are_of_all_primitive_time_and_largest_come_first():
    trace = parse_trace([REORDER, F32_1X1, POOLING, F32_3X3, REORDER])
    total = 0.157959 * 2 + 1.12915 + 0.26001 + 2.75806
    assert trace.kernels == (
        KernelShare("convolution", "f32", "avx512_core", pytest.approx(3.88721 / total), 2),
        KernelShare("reorder", "f32->f32", "jit:uni", pytest.approx(0.315918 / total), 2),
        KernelShare("pooling", "bf16", "avx512_core", pytest.approx(0.26001 / total), 1),
    )


def test_problems_are_told_apart_with_calls_and_milliseconds():
    again = AMX_INT8.replace(",18.5381", ",1.5")
    trace = parse_trace([AMX_INT8_STEM, AMX_INT8, again, REORDER])
    assert [item.problem for item in trace.problems] == [
        "mb32_ic3oc64_ih224oh112kh7sh2dh0ph3_iw224ow112kw7sw2dw0pw3",
        "mb32_ic64oc256_ih56oh56kh1sh1dh0ph0_iw56ow56kw1sw1dw0pw0",
        "64x64x1x1",
    ]
    assert [item.calls for item in trace.problems] == [1, 2, 1]
    assert [item.time_ms for item in trace.problems] == pytest.approx([71.6499, 20.0381, 0.157959])
    assert trace.problems[1] == ProblemTime(
        "convolution",
        "u8s8",
        "avx10_1_512_amx",
        trace.problems[1].problem,
        2,
        pytest.approx(20.0381),
    )


def test_info_lines_give_release_runtime_and_the_whole_isa_with_its_commas():
    trace = parse_trace([f"{line}\n" for line in INFO])
    assert trace.version == "3.7.3"
    assert trace.runtime == "threadpool"
    assert trace.effective_isa == "Intel AVX-512 with AVX512BW, AVX512VL, and AVX512DQ extensions"
    assert (trace.kernels, trace.unparsed) == ((), 0)


def test_the_oldest_info_lines_are_read_too():
    trace = parse_trace(
        [
            "dnnl_verbose,info,DNNL v1.3.0 (commit d0fc158e98590dfad0165e568ca466876a794597)",
            "dnnl_verbose,info,cpu,runtime:OpenMP",
            "dnnl_verbose,info,cpu,isa:Intel AVX2",
        ]
    )
    assert (trace.version, trace.runtime, trace.effective_isa) == ("1.3.0", "OpenMP", "Intel AVX2")


@pytest.mark.parametrize(
    "line",
    [
        CREATE,
        "onednn_verbose,v1,graph,exec,cpu,100002,convolution_post_ops,conv;relu,,in0_f32,fpm:strict,larger_partition_kernel_t,dnnl_backend,1.5",
        "onednn_verbose,v1,common,error,level_zero,errcode 2013265921",
        "onednn_verbose,v1,primitive,create:dispatch,convolution,cpu,convolution,jit:avx2,unsupported isa",
        F32_1X1.replace("exec,cpu", "exec,gpu:0"),
        "2026-01-01 00:00:00: I tensorflow/core/util/port.cc:153] oneDNN custom operations are on.",
        "",
        "onednn_verbose",
    ],
)
def test_other_lines_are_skipped_and_not_counted(line):
    trace = parse_trace([line])
    assert (trace.kernels, trace.unparsed) == ((), 0)


@pytest.mark.parametrize("length", range(len("onednn_verbose,"), F32_1X1.index("1.12915")))
def test_a_line_cut_before_its_time_is_counted_and_never_a_kernel(length):
    trace = parse_trace([F32_1X1[:length]])
    assert (trace.kernels, trace.unparsed) == ((), 1)


def test_a_cut_reorder_of_one_dimension_does_not_take_its_size_for_the_time():
    line = REORDER.replace("64x64x1x1", "64")
    assert kernel_of(line)[0] == "reorder"
    assert parse_trace([line.removesuffix(",0.157959")]).unparsed == 1


@pytest.mark.parametrize("time", ["-1", "nan", "inf", "", "1_0", "1.5ms", "1e400", "1e10"])
def test_a_time_that_is_none_is_counted_as_unparsed(time):
    trace = parse_trace([F32_1X1.removesuffix("1.12915") + time])
    assert (trace.kernels, trace.unparsed) == ((), 1)


def test_a_small_time_in_exponent_form_is_read():
    assert kernel_of(F32_1X1.removesuffix("1.12915") + "9.5e-05")[0] == "convolution"


def test_times_of_zero_give_shares_of_zero():
    trace = parse_trace([F32_1X1.removesuffix("1.12915") + "0"])
    assert trace.kernels == (KernelShare("convolution", "f32", "avx512_core", 0.0, 1),)


def test_text_before_the_marker_and_a_record_cut_by_the_next_do_not_hide_a_record():
    trace = parse_trace(["step 3 of 10 " + F32_1X1[:120] + BF16 + "\r\n"])
    assert [kernel.dtype for kernel in trace.kernels] == ["bf16"]
    assert trace.unparsed == 1


def test_the_environment_turns_the_trace_on_in_every_release():
    assert TRACE_ENVIRONMENT == {"ONEDNN_VERBOSE": "1", "ONEDNN_VERBOSE_TIMESTAMP": "0"}


FRAGMENTS = st.sampled_from(
    [
        "onednn_verbose", "dnnl_verbose", ",", "v1", "primitive", "exec", "cpu", "convolution",
        "jit:avx2", ":", "src:f32:", "src_u8:", "wei:s8:", "dst:", "attr-fpmath:any", "1.5",
        "1e999", "9" * 400, "info", "isa:", "create", "graph", "\x00", "é", "\n",
    ]
)  # fmt: skip


@given(
    st.lists(
        st.one_of(
            st.lists(FRAGMENTS, max_size=25).map("".join),
            st.lists(FRAGMENTS, max_size=14).map(",".join).map("onednn_verbose,{}".format),
            st.tuples(st.sampled_from([F32_1X1, INT8, OLDEST, STAMPED]), st.integers(0, 400)).map(
                lambda cut: cut[0][: cut[1]]
            ),
            st.text(max_size=60),
        ),
        max_size=6,
    )
)
def test_no_text_makes_the_parser_fail_and_shares_add_up(lines):
    trace = parse_trace(lines)
    assert trace.unparsed >= 0
    total = sum(kernel.time_share for kernel in trace.kernels)
    assert total == pytest.approx(1) or all(not kernel.time_share for kernel in trace.kernels)
    shares = [kernel.time_share for kernel in trace.kernels]
    assert shares == sorted(shares, reverse=True)


@pytest.mark.parametrize(
    ("attributes", "adds"),
    [
        ("attr-scratchpad:user attr-post-ops:sum+eltwise_relu", True),
        ("attr-scratchpad:user attr-post-ops:binary_add:f32:15+eltwise_relu", True),
        ("post_ops:'sum;eltwise_relu;'", True),
        ("attr-scratchpad:user attr-post-ops:eltwise_relu", False),
        ("", False),
    ],
)
def test_whether_an_execution_adds_what_another_computed(attributes, adds):
    line = (
        "onednn_verbose,exec,cpu,convolution,jit:avx2,forward_inference,src_f32::blocked:a "
        f"wei_f32::blocked:a dst_f32::blocked:a,{attributes},alg:convolution_direct,mb1_ic3,2"
    )
    seen = []
    trace = parse_trace([line, line], lambda call, time_ms: seen.append((call.adds, time_ms)))
    assert seen == [(adds, 2.0), (adds, 2.0)]
    assert [(item.calls, item.time_ms) for item in trace.problems] == [(2, 4.0)]


def test_calls_of_one_shape_are_one_problem_whether_or_not_they_add():
    line = (
        "onednn_verbose,exec,cpu,convolution,jit:avx2,forward_inference,src_f32::blocked:a "
        "wei_f32::blocked:a dst_f32::blocked:a,{},alg:convolution_direct,mb1_ic3,2"
    )
    trace = parse_trace([line.format("post_ops:'sum;'"), line.format("")])
    assert [(item.calls, item.time_ms) for item in trace.problems] == [(2, 4.0)]
