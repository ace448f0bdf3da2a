from dataclasses import replace
from pathlib import Path

import pytest
from tests.archives import write_folder
from tests.graphs import encode_graph, encode_model
from tests.records import make_manifest
from tests.unit.planning.plans import IMAGE_BYTES, plan

from resnet50_bench.config import Mode, Precision, Preprocessing, RunConfig
from resnet50_bench.data.sources import open_source
from resnet50_bench.data.sources.index import Opener
from resnet50_bench.errors import ConfigError, ModelError
from resnet50_bench.model import CalibrationRequest, PreparedModel
from resnet50_bench.model.calibration import select_calibration
from resnet50_bench.model.manifest import FileIdentity, ModelSource
from resnet50_bench.planning import hosts as hosts_module
from resnet50_bench.planning import model as model_module
from resnet50_bench.planning import plan as plan_module
from resnet50_bench.planning.memory import BYTES_PER_IMAGE, RUNTIME_BYTES
from resnet50_bench.planning.model import describe_model, plan_calibration, require_serving


@pytest.fixture
def source(tmp_path):
    for number in range(300):
        (tmp_path / f"{number:03}.jpg").write_bytes(b"x" * number)
    return open_source(tmp_path)


def calibrate(config, source=None):
    return plan_calibration(config, Opener(), source)


def int8(**fields):
    return RunConfig(precision=Precision.AVX_INT8, **fields)


def make_model(kept, kind="user file"):
    manifest = make_manifest(kind)
    agreement = replace(manifest.graph.agreement, kept=kept, effective_images=100.0)
    graph = replace(manifest.graph, agreement=agreement)
    return PreparedModel(Path("model.pb"), replace(manifest, graph=graph))


def test_only_int8_is_calibrated(source):
    assert calibrate(RunConfig(dataset="x"), source) is None


@pytest.mark.parametrize("mode", Mode)
def test_a_runs_own_images_calibrate_in_every_mode(source, mode):
    request = calibrate(int8(mode=mode, dataset=str(source.path)), source)
    assert request == CalibrationRequest(dataset=source.path, listed=source.refs)


def test_the_same_images_named_by_calibration_are_the_same_calibration(source):
    own = calibrate(int8(dataset=str(source.path)), source)
    named = calibrate(int8(calibration=str(source.path)))
    assert own is not None
    assert named is not None
    assert select_calibration(own) == select_calibration(named)
    assert select_calibration(own).identity.images == 128


def test_a_path_wins_over_the_dataset_and_the_word_generated_over_both(source, tmp_path):
    other = write_folder(tmp_path.parent / "other", {f"{n}.jpg": b"x" for n in range(5)})
    request = calibrate(int8(calibration=str(other), dataset="x"), source)
    assert request == CalibrationRequest(dataset=other, listed=open_source(other).refs)
    assert calibrate(int8(calibration="generated", dataset="x"), source) is None


def test_images_named_by_calibration_that_are_not_there_or_too_few_are_refused(tmp_path):
    with pytest.raises(ModelError, match=r"--calibration .*/no: does not exist"):
        calibrate(int8(calibration=str(tmp_path / "no")))
    write_folder(tmp_path, {"a.jpg": b"x"})
    with pytest.raises(ModelError, match="holds 1 images, and calibration needs at least 4"):
        calibrate(int8(calibration=str(tmp_path)))


def test_without_images_they_are_generated(source):
    assert calibrate(int8()) is None
    few = replace(source, refs=source.refs[:3])
    assert calibrate(int8(dataset="x"), few) is None


def test_seed_and_preprocessing_are_the_runs(source):
    config = int8(seed=4, preprocessing=Preprocessing.TORCHVISION, dataset="x")
    request = calibrate(config, source)
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


def test_a_model_in_one_line():
    manifest = make_manifest("generated", prepared=FileIdentity("m", "0123456789abcdef", 1))
    assert describe_model(manifest) == (
        "ResNet-50 v1.5 (generated, seed 0) for avx_fp32, sha256 0123456789ab"
    )
    assert describe_model(make_manifest()) == (
        "ResNet-50 v1.5 (resnet50_v1.pb) for avx_fp32, sha256 aaaaaaaaaaaa"
    )


class TestModelSource:
    """Of an engine that needs a model; TensorFlow itself is not imported."""

    @pytest.fixture(autouse=True)
    def _found(self, monkeypatch, host):
        self.sources = []
        monkeypatch.setattr(
            model_module, "find_prepared", lambda source, *_: self.sources.append(source)
        )

    def test_generated_unless_named(self):
        found = plan(engine="tensorflow")
        assert found.model_source == ModelSource(seed=0)
        assert (found.model, self.sources) == (None, [found.model_source])
        # The runtime, the activations of a batch of 32, and a pool of 128 images.
        runtime, activations = RUNTIME_BYTES, 32 * BYTES_PER_IMAGE
        assert found.memory_per_instance_bytes == runtime + activations + 128 * IMAGE_BYTES

    @pytest.mark.parametrize(
        ("asked", "split"),
        [
            ({"precision": Precision.AMX_INT8}, False),  # four cores share each operation
            ({"precision": Precision.AMX_INT8, "engine_options": {"callers": "4"}}, True),
            ({"precision": Precision.AMX_BFLOAT16, "cores_per_instance": 1}, True),
            ({"precision": Precision.AVX_INT8, "cores_per_instance": 1}, False),
            (
                {"precision": Precision.AMX_INT8, "cores_per_instance": 1, "batch_size": 4},
                False,
            ),
        ],
    )
    def test_large_kernels_are_split_where_a_core_computes_alone(self, monkeypatch, asked, split):
        monkeypatch.setattr(hosts_module, "require_precision", lambda *_: True)
        found = plan(engine="tensorflow", **asked)
        assert found.model_source == ModelSource(seed=0, split=split)
        assert self.sources == [found.model_source]

    def test_callers_that_do_not_fit_are_refused_before_anything_is_started(self):
        with pytest.raises(ConfigError) as caught:
            plan(engine="tensorflow", engine_options={"callers": "3"})
        assert caught.value.problems == (
            "--engine-option callers=3: it must divide the 4 threads of an instance",
        )
        assert self.sources == []

    def test_preparation_takes_time(self):
        asked = {"batch_size": 1, "steps": 60, "warmup_steps": 6}
        found = plan(engine="tensorflow", **asked)
        assert found.expected_s == pytest.approx(30 + 8 + 0.1 + 1 + 8)  # the last 8: the trace

    def test_a_file_by_its_absolute_path(self, tmp_path, monkeypatch):
        monkeypatch.chdir(tmp_path)
        (tmp_path / "m.pb").write_bytes(encode_model())
        found = plan(engine="tensorflow", model="m.pb")
        assert found.model_source == ModelSource(path=str(tmp_path / "m.pb"))

    def test_a_folder_is_refused(self, tmp_path):
        with pytest.raises(ModelError) as caught:
            plan(engine="tensorflow", model=str(tmp_path))
        assert caught.value.message == (
            f"--model {tmp_path} is a folder without saved_model.pb, so no SavedModel"
        )

    def test_a_graph_in_8_bits_is_taken_as_it_is_and_for_int8_alone(self, tmp_path):
        (tmp_path / "m.pb").write_bytes(
            encode_graph(("x", "Placeholder"), ("c", "QuantizedConv2DWithBias"), ("y", "Softmax"))
        )
        asked = {"engine": "tensorflow", "model": str(tmp_path / "m.pb"), "emulated": True}
        assert plan(precision=Precision.AVX_INT8, **asked).calibration is None
        with pytest.raises(ModelError, match="computes in 8 bits already"):
            plan(precision=Precision.AVX_FP32, **asked)

    def test_an_engine_that_quantizes_itself_takes_no_graph_in_8_bits(self, tmp_path, monkeypatch):
        monkeypatch.setattr(plan_module, "require_offered", lambda *_: None)
        (tmp_path / "m.pb").write_bytes(
            encode_graph(("x", "Placeholder"), ("c", "QuantizedConv2DWithBias"), ("y", "Softmax"))
        )
        with pytest.raises(ModelError, match="the openvino engine converts graphs in float32"):
            plan(engine="openvino", precision=Precision.AVX_INT8, model=str(tmp_path / "m.pb"),
                 emulated=True)  # fmt: skip

    def test_an_engine_starts_from_the_graph_of_its_form_for_every_precision(self, monkeypatch):
        monkeypatch.setattr(plan_module, "require_offered", lambda *_: None)
        asked: list[Precision] = []
        monkeypatch.setattr(
            model_module, "find_prepared", lambda _source, precision, *_: asked.append(precision)
        )
        plan(engine="openvino", precision=Precision.AVX_INT8, emulated=True)
        assert asked == [Precision.AVX_FP32]

    def test_names_of_nodes_go_into_the_model_asked_for(self, tmp_path):
        (tmp_path / "m.pb").write_bytes(encode_model())
        asked = {"engine": "tensorflow", "model": str(tmp_path / "m.pb")}
        found = plan(**asked, input_name="input_tensor", output_name="any").model_source
        assert (found.input_name, found.output_name) == ("input_tensor", "any")
        assert found.key("f00") != ModelSource(path=found.path).key("f00")
        with pytest.raises(ModelError, match="--input-name images: there is no such node"):
            plan(**asked, input_name="images")

    def test_customer_env_wins_over_the_precisions_caps(self):
        ours = plan(engine="tensorflow").environment
        assert ours["ONEDNN_MAX_CPU_ISA"] == "AVX2"
        found = plan(engine="tensorflow", customer_env={"ONEDNN_MAX_CPU_ISA": "SSE41"})
        assert found.environment == ours | {"ONEDNN_MAX_CPU_ISA": "SSE41"}
