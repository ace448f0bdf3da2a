import importlib.util
from dataclasses import replace

import numpy as np
import pytest
from tests.engines.test_tensorflow import plain_scores

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import ConvertRequest, LoadRequest
from resnet50_bench.engines.pytorch import ENGINE, MODEL_FILE
from resnet50_bench.errors import ModelError
from resnet50_bench.model.converters.pytorch import convert
from resnet50_bench.model.graph.probe import plan_probe_images

pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        importlib.util.find_spec("torch") is None or importlib.util.find_spec("torchao") is None,
        reason="PyTorch is not installed: pip install 'resnet50-bench[pytorch]'",
    ),
    pytest.mark.filterwarnings("default"),  # torch and torchao warn of themselves
]

CALIBRATION_IMAGES = 8


@pytest.fixture(scope="module")
def models(thin_path, tmp_path_factory):
    """The thin model in each data type: precision -> the folder that an engine loads."""
    found = {}
    folder = tmp_path_factory.mktemp("cache") / "converted"
    for precision in (Precision.AVX_FP32, Precision.AVX_BFLOAT16, Precision.AVX_INT8):
        output = folder / precision.value / "model"
        output.mkdir(parents=True)
        count = CALIBRATION_IMAGES if ENGINE.forms[precision].calibrates else 0
        images = plan_probe_images(count, seed=3) if count else np.empty((0, 224, 224, 3), "f4")
        convert(ConvertRequest(graph=thin_path, precision=precision, output=output, images=images,
                               on_progress=lambda _: None))  # fmt: skip
        found[precision] = output
    return found


def request(models, precision=Precision.AVX_FP32, **changes):
    load = LoadRequest(models[precision], precision, threads=2, batch_size=4)
    return replace(load, **changes)


def test_float32_answers_are_tensorflows(models, thin_path):
    images = plan_probe_images(4, seed=1)
    loaded = ENGINE.load(request(models))
    np.testing.assert_allclose(loaded.run(images), plain_scores(thin_path, images), atol=1e-6)
    evidence = loaded.evidence()
    loaded.close()
    assert evidence.runtime.startswith("pytorch ")
    assert evidence.notes == ("operations are computed by 2 threads of OpenMP",)
    fused = {name: n for name, n in evidence.fused_ops.items() if "convolution" in name}
    assert sum(fused.values()) == 53
    assert all(name.startswith("mkldnn::") for name in fused)


@pytest.mark.parametrize("precision", [Precision.AVX_BFLOAT16, Precision.AVX_INT8])
def test_rounded_answers_are_tensorflows_but_for_rounding(models, thin_path, precision):
    images = plan_probe_images(4, seed=1)
    loaded = ENGINE.load(request(models, precision))
    scores, expected = loaded.run(images), plain_scores(thin_path, images)
    loaded.close()
    assert np.abs(scores - expected).max() > 1e-6
    assert np.abs(scores - expected).sum(axis=1).mean() / 2 < 0.3


def test_callers_and_streams_answer_as_one_thread_does(models):
    images = plan_probe_images(5, seed=1)
    loaded = ENGINE.load(request(models, batch_size=5, threads=1))
    expected = loaded.run(images)
    loaded.close()
    several = ENGINE.load(request(models, batch_size=5, options={"callers": "2"}))
    np.testing.assert_allclose(several.run(images), expected, atol=1e-6)
    several.close()
    shared = ENGINE.load(request(models, batch_size=5, streams=2))
    for threads in (1, 2):
        np.testing.assert_allclose(shared.open_stream(threads)(images), expected, atol=1e-6)
    shared.close()


def test_a_file_that_is_no_program_is_told(tmp_path):
    (tmp_path / MODEL_FILE).write_bytes(b"nothing")
    with pytest.raises(ModelError, match="PyTorch cannot load"):
        ENGINE.load(LoadRequest(tmp_path, Precision.AVX_FP32, threads=1, batch_size=1))
