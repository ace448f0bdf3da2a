import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from tests.engines.test_tensorflow import plain_scores

from resnet50_bench.config import Precision
from resnet50_bench.engines import ConvertRequest, LoadRequest
from resnet50_bench.engines.openvino import ENGINE
from resnet50_bench.errors import ModelError
from resnet50_bench.host.machine import read_host
from resnet50_bench.model.graph.probe import plan_probe_images
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

IMAGES = plan_probe_images(4, seed=1)


@pytest.fixture(scope="module")
def models(thin_path, tmp_path_factory):
    """The thin model: precision -> what the engine loads."""
    pytest.importorskip("nncf", reason="NNCF is not installed")
    from resnet50_bench.engines.openvino.quantize import convert

    output = tmp_path_factory.mktemp("int8")
    calibrate = ConvertRequest(graph=thin_path, precision=Precision.AVX_INT8, output=output,
                               images=plan_probe_images(8, seed=3), on_progress=lambda _: None)  # fmt: skip
    assert "quantized by NNCF" in convert(calibrate)[0]
    return {Precision.AVX_FP32: thin_path, Precision.AVX_BFLOAT16: thin_path,
            Precision.AVX_INT8: output}  # fmt: skip


def load(models, precision=Precision.AVX_FP32, **changes):
    request = LoadRequest(models[precision], precision, threads=2, batch_size=4)
    return ENGINE.load(replace(request, **changes))


def test_float32_answers_are_tensorflows_by_one_caller_by_several_and_by_streams(models, thin_path):
    expected = plain_scores(thin_path, IMAGES)
    one, two = load(models), load(models, options={"callers": "2"})
    streams = load(models, streams=2)
    for run in (one.run, two.run, streams.open_stream(1), streams.open_stream(2)):
        np.testing.assert_allclose(run(IMAGES), expected, atol=1e-6)
        # A batch of another size, which does not divide among two.
        np.testing.assert_allclose(run(IMAGES[:3]), expected[:3], atol=1e-6)
    for loaded in (one, two, streams):
        loaded.close()


def test_8_bit_answers_are_tensorflows_but_for_rounding(models, thin_path):
    loaded = load(models, Precision.AVX_INT8)
    difference = np.abs(loaded.run(IMAGES) - plain_scores(thin_path, IMAGES))
    loaded.close()
    assert difference.max() > 1e-6
    assert difference.sum(axis=1).mean() / 2 < 0.3


@pytest.mark.parametrize("precision", [Precision.AVX_FP32, Precision.AVX_INT8])
def test_a_traced_query_proves_its_precision(models, precision):
    flags = read_host().cpu_flags
    if not plan_runnable(precision, flags, None).runnable:
        pytest.skip(f"this CPU does not run {precision.value}")
    loaded = load(models, precision, trace=True)
    loaded.run(IMAGES)
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
