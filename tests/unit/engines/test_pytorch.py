"""What of the engine needs no PyTorch; its trace is oneDNN's."""

from pathlib import Path

import pytest

from resnet50_bench.engines.base import KernelShare
from resnet50_bench.engines.pytorch import (
    ENGINE,
    plan_cache,
    require_compiler,
    select_operations,
)
from resnet50_bench.errors import EngineError

# Captured from PyTorch 2.13 on an AVX-512 CPU with VNNI.
INT8 = "onednn_verbose,v1,primitive,exec,cpu,convolution,brg_conv_fwd:avx512_core_vnni,forward_inference,src:u8::blocked:acdb::f0 wei:s8:a:blocked:AcdB32a4b::f0 bia:f32:a:blocked:a::f0 dst:u8::blocked:acdb::f0,attr-scratchpad:user attr-scales:src0:0:f32+dst:0:f32+wei:1:f32 attr-post-ops:eltwise_relu,alg:convolution_direct,mb8_ic512oc512_ih7oh7kh3sh1dh0ph1_iw7ow7kw3sw1dw0pw1,11.6001"
FLOAT = "onednn_verbose,v1,primitive,exec,cpu,convolution,brgconv_1x1:avx512_core,forward_inference,src:f32::blocked:acdb::f0 wei:f32:ap:blocked:Acdb48a::f0 bia:f32:a:blocked:a::f0 dst:f32::blocked:acdb::f0,attr-scratchpad:user attr-post-ops:sum+eltwise_relu,alg:convolution_direct,mb8_ic512oc2048_ih7oh7kh1sh1dh0ph0_iw7ow7kw1sw1dw0pw0,16.3621"


@pytest.mark.parametrize(
    ("line", "dtype", "isa"), [(INT8, "u8s8", "avx512_core_vnni"), (FLOAT, "f32", "avx512_core")]
)
def test_its_trace_is_read(line, dtype, isa):
    assert ENGINE.parse_trace([line]) == (KernelShare("convolution", dtype, isa, 1.0, 1),)


def test_a_compiler_that_is_there_is_enough(tmp_path, monkeypatch):
    compiler = tmp_path / "clang++"
    compiler.write_text("#!/bin/sh\n")
    compiler.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    require_compiler({})
    require_compiler({"CXX": str(compiler)})


@pytest.mark.parametrize(
    ("environ", "said"),
    [({}, r"neither g\+\+ nor clang\+\+"), ({"CXX": "icpx"}, "CXX=icpx is none")],
)
def test_a_missing_compiler_is_told_with_what_installs_one(tmp_path, monkeypatch, environ, said):
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EngineError, match=said) as raised:
        require_compiler(environ)
    assert raised.value.advice == (
        "apt-get install g++, or name one in the environment variable CXX"
    )


def test_what_was_compiled_lies_beside_the_converted_models():
    assert plan_cache(Path("/c/models/converted/pytorch-1/model")) == Path("/c/models/inductor")


def test_operations_that_compute_are_counted_and_bookkeeping_is_not():
    counts = {"mkldnn::_convolution_pointwise": 37, "aten::empty": 38, "aten::clone": 16,
              "onednn::qconv_pointwise": 5, "TorchDynamo Cache Lookup": 1}  # fmt: skip
    assert select_operations(counts) == {
        "aten::clone": 16,
        "mkldnn::_convolution_pointwise": 37,
        "onednn::qconv_pointwise": 5,
    }
