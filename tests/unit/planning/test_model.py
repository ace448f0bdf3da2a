from dataclasses import replace
from pathlib import Path

import pytest
from tests.records import make_manifest

from resnet50_bench.config import Mode, Precision, Preprocessing, RunConfig
from resnet50_bench.data.sources import open_source
from resnet50_bench.errors import ModelError
from resnet50_bench.model import CalibrationRequest, PreparedModel
from resnet50_bench.model.calibration import select_calibration
from resnet50_bench.planning.model import plan_calibration, require_serving


@pytest.fixture
def source(tmp_path):
    for number in range(300):
        (tmp_path / f"{number:03}.jpg").write_bytes(b"x" * number)
    return open_source(tmp_path)


def int8(**fields):
    return RunConfig(precision=Precision.AVX_INT8, **fields)


def make_model(kept, kind="user file"):
    manifest = make_manifest(kind)
    agreement = replace(manifest.graph.agreement, kept=kept, effective_images=100.0)
    graph = replace(manifest.graph, agreement=agreement)
    return PreparedModel(Path("model.pb"), replace(manifest, graph=graph))


def test_only_int8_is_calibrated(source):
    assert plan_calibration(RunConfig(dataset="x"), source) is None


@pytest.mark.parametrize("mode", Mode)
def test_a_runs_own_images_calibrate_in_every_mode(source, mode):
    request = plan_calibration(int8(mode=mode, dataset=str(source.path)), source)
    assert request == CalibrationRequest(dataset=source.path, listed=source.refs)


def test_the_same_images_named_by_calibration_are_the_same_calibration(source):
    own = plan_calibration(int8(dataset=str(source.path)), source)
    named = plan_calibration(int8(calibration=str(source.path)))
    assert own is not None
    assert named is not None
    assert select_calibration(own) == select_calibration(named)
    assert select_calibration(own).identity.images == 128


def test_a_path_wins_over_the_dataset_and_the_word_generated_over_both(source, tmp_path):
    request = plan_calibration(int8(calibration="other", dataset="x"), source)
    assert request == CalibrationRequest(dataset=Path("other"))
    assert plan_calibration(int8(calibration="generated", dataset="x"), source) is None


def test_without_images_they_are_generated(source):
    assert plan_calibration(int8()) is None
    few = replace(source, refs=source.refs[:3])
    assert plan_calibration(int8(dataset="x"), few) is None


def test_seed_and_preprocessing_are_the_runs(source):
    config = int8(seed=4, preprocessing=Preprocessing.TORCHVISION, dataset="x")
    request = plan_calibration(config, source)
    assert request is not None
    identity = select_calibration(request).identity
    assert (identity.seed, identity.preprocessing) == (4, "torchvision")


def test_a_model_that_loses_too_much_is_refused_with_three_ways_out():
    require_serving(int8(), make_model(0.6))
    with pytest.raises(ModelError, match=r"for avx_int8 keeps 20.0% \(95 % interval") as caught:
        require_serving(int8(), make_model(0.2))
    for flag in ("--calibration", "--mode accuracy", "--accept-loss"):
        assert flag in (caught.value.advice or "")


@pytest.mark.parametrize("fields", [{"accept_loss": True}, {"mode": Mode.ACCURACY}])
def test_it_serves_where_that_is_accepted_or_accuracy_speaks(fields):
    require_serving(int8(**fields), make_model(0.2))


def test_generated_weights_have_no_right_answers_to_lose():
    require_serving(int8(), make_model(0.2, "generated"))
