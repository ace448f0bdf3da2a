import importlib.util

import pytest
from tests.engines.thin_engine import make_thin_engine

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import LoadRequest
from resnet50_bench.engines.pytorch import ENGINE, MODEL_FILE
from resnet50_bench.errors import ModelError

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        importlib.util.find_spec("torch") is None or importlib.util.find_spec("torchao") is None,
        reason="PyTorch is not installed: pip install 'resnet50-bench[pytorch]'",
    ),
    pytest.mark.filterwarnings("default"),  # torch and torchao warn of themselves
]


@pytest.fixture(scope="module")
def thin(thin_path, tmp_path_factory):
    precisions = (Precision.AVX_FP32, Precision.AVX_BFLOAT16, Precision.AVX_INT8)
    return make_thin_engine(ENGINE, thin_path, tmp_path_factory.mktemp("cache"), precisions)


def test_float32_answers_are_tensorflows_by_one_caller_by_several_and_by_streams(thin):
    thin.check_answers(4, 3)


@pytest.mark.parametrize("precision", [Precision.AVX_BFLOAT16, Precision.AVX_INT8])
def test_rounded_answers_are_tensorflows_but_for_rounding(thin, precision):
    thin.check_rounded_answers(precision)


def test_evidence_tells_the_threads_and_counts_the_operations_that_ran(thin):
    loaded = thin.load()
    evidence = loaded.evidence()
    loaded.close()
    assert evidence.runtime.startswith("pytorch ")
    assert evidence.notes == ("operations are computed by 2 threads of OpenMP",)
    fused = {name: n for name, n in evidence.fused_ops.items() if "convolution" in name}
    assert sum(fused.values()) == 53
    assert all(name.startswith("mkldnn::") for name in fused)


def test_a_file_that_is_no_program_is_told(tmp_path):
    (tmp_path / MODEL_FILE).write_bytes(b"nothing")
    with pytest.raises(ModelError, match="PyTorch cannot load"):
        ENGINE.load(LoadRequest(tmp_path, Precision.AVX_FP32, threads=1, batch_size=1))
