import importlib.util

import pytest
from tests.engines.thin_engine import IMAGES, make_thin_engine

from resnet50_bench.config import Precision
from resnet50_bench.engines import LoadRequest
from resnet50_bench.engines.openvino import ENGINE
from resnet50_bench.errors import ModelError
from resnet50_bench.host.machine import read_host
from resnet50_bench.precision.meaning import plan_meaning
from resnet50_bench.precision.proof import ProofState, plan_verdict
from resnet50_bench.precision.runnable import plan_runnable

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        importlib.util.find_spec("openvino") is None,
        reason="OpenVINO is not installed: pip install 'resnet50-bench[openvino]'",
    ),
]


@pytest.fixture(scope="module")
def thin(thin_path, tmp_path_factory):
    pytest.importorskip("nncf", reason="NNCF is not installed")
    precisions = (Precision.AVX_FP32, Precision.AVX_BFLOAT16, Precision.AVX_INT8)
    return make_thin_engine(ENGINE, thin_path, tmp_path_factory.mktemp("cache"), precisions)


def test_float32_answers_are_tensorflows_by_one_caller_by_several_and_by_streams(thin):
    thin.check_answers(4, 3)


def test_8_bit_answers_are_tensorflows_but_for_rounding(thin):
    thin.check_rounded_answers(Precision.AVX_INT8)


@pytest.mark.parametrize("precision", [Precision.AVX_FP32, Precision.AVX_INT8])
def test_a_traced_query_proves_its_precision(thin, precision):
    flags = read_host().cpu_flags
    if not plan_runnable(precision, flags, None).runnable:
        pytest.skip(f"this CPU does not run {precision.value}")
    loaded = thin.load(precision, trace=True)
    loaded.run(IMAGES[:4])
    kernels = ENGINE.parse_trace(loaded.list_kernels())
    evidence = loaded.evidence()
    loaded.close()
    assert evidence.runtime.startswith("openvino 20")
    counted = sum(n for name, n in evidence.fused_ops.items() if name.startswith("Convolution["))
    assert counted == 53
    assert sum(item.calls for item in kernels if item.primitive == "convolution") == 53
    assert plan_verdict(plan_meaning(precision, flags), kernels).state is ProofState.PROVEN


def test_a_file_that_is_none_is_refused(tmp_path):
    (tmp_path / "model.pb").write_bytes(b"nonsense")
    request = LoadRequest(tmp_path / "model.pb", Precision.AVX_FP32, threads=1, batch_size=1)
    with pytest.raises(ModelError, match="OpenVINO cannot read the model"):
        ENGINE.load(request)
