import os
from dataclasses import replace
from importlib import metadata

import numpy as np
import pytest
from tests.engines.test_tensorflow import plain_scores

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import ConvertRequest, LoadRequest
from resnet50_bench.engines.onednn import ENGINE
from resnet50_bench.engines.onednn.binding import DISTRIBUTION
from resnet50_bench.engines.onednn.network import WEIGHTS_FILE, Kind, read_network
from resnet50_bench.engines.onednn.threads import Team
from resnet50_bench.errors import HostError, ModelError
from resnet50_bench.model.converters.onednn import convert
from resnet50_bench.model.graph.probe import plan_probe_images


def _is_installed():
    try:
        metadata.version(DISTRIBUTION)
    except metadata.PackageNotFoundError:
        return False
    return True


pytestmark = [
    pytest.mark.tensorflow,
    pytest.mark.skipif(
        not _is_installed(),
        reason="oneDNN is not installed: pip install 'resnet50-bench[onednn]'",
    ),
]

CALIBRATION_IMAGES = 8


@pytest.fixture(scope="module")
def models(thin_path, tmp_path_factory):
    """The thin model in float32 and in 8 bits: precision -> the folder that an engine loads."""
    found = {}
    for precision in (Precision.AVX_FP32, Precision.AVX_INT8):
        output = tmp_path_factory.mktemp(precision.value)
        count = CALIBRATION_IMAGES if ENGINE.forms[precision].calibrates else 0
        images = plan_probe_images(count, seed=3) if count else np.empty((0, 224, 224, 3), "f4")
        convert(ConvertRequest(graph=thin_path, precision=precision, output=output, images=images,
                               on_progress=lambda _: None))  # fmt: skip
        found[precision] = output
    found[Precision.AVX_BFLOAT16] = found[Precision.AVX_FP32]
    return found


@pytest.fixture(scope="module")
def images():
    return plan_probe_images(5, seed=1)


@pytest.fixture(scope="module")
def expected(thin_path, images):
    return plain_scores(thin_path, images)


def request(models, precision=Precision.AVX_FP32, **changes):
    load = LoadRequest(models[precision], precision, threads=1, batch_size=5)
    return replace(load, **changes)


def classify(request, images):
    loaded = ENGINE.load(request)
    scores = loaded.run(images)
    loaded.close()
    return scores


def test_float32_answers_are_tensorflows(models, images, expected):
    np.testing.assert_allclose(classify(request(models), images), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("precision", "most"), [(Precision.AVX_BFLOAT16, 0.1), (Precision.AVX_INT8, 0.3)]
)
def test_rounded_answers_are_tensorflows_but_for_rounding(
    models, images, expected, precision, most
):
    scores = classify(request(models, precision), images)
    assert np.abs(scores - expected).max() > 1e-6
    assert np.abs(scores - expected).sum(axis=1).mean() / 2 < most


@pytest.mark.parametrize(
    ("threads", "options"),
    [
        (1, {"images": "2"}),
        (2, {}),
        (2, {"callers": "2", "images": "1"}),
        (4, {"callers": "2"}),
    ],
)
def test_threads_callers_and_parts_of_a_batch_change_no_answer(models, images, threads, options):
    one = classify(request(models), images)
    several = classify(request(models, threads=threads, options=options), images)
    np.testing.assert_allclose(several, one, atol=1e-6)


def test_streams_answer_as_one_thread_does(models, images):
    loaded = ENGINE.load(request(models, threads=2, streams=2))
    expected = loaded.run(images)
    for threads in (1, 2):
        np.testing.assert_allclose(loaded.open_stream(threads)(images), expected, atol=1e-6)
    loaded.close()


def test_evidence_counts_what_is_fused_into_which_kernel(models):
    loaded = ENGINE.load(request(models))
    evidence = loaded.evidence()
    loaded.close()
    assert evidence.runtime.startswith("onednn 3.")
    fused = {"[Add,Relu]": 0, "[Relu]": 0, "[]": 0}
    for name, count in evidence.fused_ops.items():
        operation, _, kernel = name.partition("[")
        if operation == Kind.CONVOLUTION.value:
            fused[f"[{kernel.partition(',')[2] or ']'}"] += count
    assert fused == {"[Add,Relu]": 16, "[Relu]": 33, "[]": 4}
    assert "2 chains" in evidence.notes[0]


def test_weights_are_placed_once_for_all_chains(models, images):
    loaded = ENGINE.load(request(models, threads=2, options={"callers": "2", "images": "2"}))
    loaded.run(images)  # parts of two and three images: chains of two and of one
    (note,) = loaded.evidence().notes
    loaded.close()
    alone = ENGINE.load(request(models))
    (single,) = alone.evidence().notes
    alone.close()
    assert note.partition(",")[0] == single.partition(",")[0]
    assert "3 chains" in note


def test_a_team_of_openmp_has_its_threads_where_they_should_be():
    own = os.sched_getaffinity(0)
    Team(sorted(own)[:2], 2)
    assert os.sched_getaffinity(0) == own
    Team((), 1)


def test_threads_that_openmp_does_not_give_are_told(monkeypatch):
    monkeypatch.setattr(Team, "_do", lambda self, count, work: work(0))
    with pytest.raises(HostError, match="told to compute with 2 threads on CPUs 0, 1"):
        Team((0, 1), 2)


@pytest.mark.parametrize("content", [b"", b"nothing", b"PK\x03\x04"])
def test_a_folder_that_holds_no_network_is_told(models, tmp_path, content):
    with pytest.raises(ModelError, match="the onednn engine cannot load"):
        ENGINE.load(LoadRequest(tmp_path, Precision.AVX_FP32, threads=1, batch_size=1))
    network = models[Precision.AVX_FP32] / "network.json"
    (tmp_path / "network.json").write_bytes(network.read_bytes())
    (tmp_path / WEIGHTS_FILE).write_bytes(content)
    with pytest.raises(ModelError, match="the onednn engine cannot load"):
        ENGINE.load(LoadRequest(tmp_path, Precision.AVX_FP32, threads=1, batch_size=1))


def test_the_network_has_each_sum_in_the_convolution_computed_last(models):
    network, _ = read_network(models[Precision.AVX_INT8])
    kinds = [operation.kind for operation in network.operations]
    assert [kinds.count(kind) for kind in Kind] == [53, 1, 1, 1, 1]
    sums = [item for item in network.operations if item.adds is not None]
    assert len(sums) == 16
    assert all(item.relu and item.window == 1 for item in sums)
    given = {operation.name for operation in network.operations}
    assert {item.adds for item in sums} < given
    assert len(network.limits) == 54
