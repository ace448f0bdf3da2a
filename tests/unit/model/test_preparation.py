import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
from tests.graphs import encode_model
from tests.records import STRUCTURE

from resnet50_bench.config import Precision
from resnet50_bench.errors import ModelError
from resnet50_bench.model import preparation as subject
from resnet50_bench.model import recipes
from resnet50_bench.model.calibration import CalibrationIdentity, CalibrationRequest
from resnet50_bench.model.manifest import Agreement, ModelSource, PreparedGraph, read_manifest
from resnet50_bench.model.protocol import ToolchainAnswer

GRAPH = PreparedGraph(
    steps=("folded",),
    structure=STRUCTURE,
    fused_ops={"Conv2D[BiasAdd]": 4},
    agreement=Agreement(8, 1e-6, 2e-6, 8),
    notes=(),
    tools={"tensorflow": "2.21.0"},
)


class Toolchain:
    """Writes a file for each request and counts them."""

    def __init__(self):
        self.requests = []
        self.error = None

    def __call__(self, request, on_progress):
        self.requests.append(request)
        on_progress("working")
        if self.error is not None:
            raise self.error
        text = "generated" if request.source.path is None else "prepared"
        Path(request.output).write_text(f"{text} {request.source.seed}")
        return ToolchainAnswer(finished=True, structure=STRUCTURE, prepared=GRAPH)


@pytest.fixture
def toolchain(monkeypatch):
    fake = Toolchain()
    monkeypatch.setattr(subject, "run_toolchain", fake)
    monkeypatch.setattr(subject, "read_tensorflow_version", lambda: "2.21.0")
    return fake


def prepare(source, cache, said=None):
    said = [] if said is None else said
    return subject.prepare(source, Precision.AVX_FP32, cache, said.append)


def test_a_generated_model_is_generated_prepared_and_described(toolchain, tmp_path):
    prepared = prepare(ModelSource.generated(7), tmp_path)
    assert [request.precision for request in toolchain.requests] == [None, Precision.AVX_FP32]
    assert prepared.path.read_text() == "prepared None"
    manifest = prepared.manifest
    assert (manifest.kind, manifest.seed, manifest.generator_version) == ("generated", 7, 1)
    assert manifest.source.size_bytes == len("generated 7")
    assert manifest.prepared.size_bytes == len("prepared None")
    assert manifest.graph == GRAPH
    assert read_manifest(prepared.path.parent / "manifest.json") == manifest


def test_the_second_time_nothing_is_done(toolchain, tmp_path):
    first = prepare(ModelSource.generated(7), tmp_path)
    count = len(toolchain.requests)
    assert prepare(ModelSource.generated(7), tmp_path) == first
    assert subject.find_prepared(ModelSource.generated(7), Precision.AVX_FP32, tmp_path) == first
    assert subject.list_prepared(tmp_path) == [first]
    assert len(toolchain.requests) == count


def test_a_split_graph_is_another_one_of_the_same_source(toolchain, tmp_path):
    whole, split = ModelSource.generated(7), replace(ModelSource.generated(7), split=True)
    first = subject.prepare(whole, Precision.AMX_INT8, tmp_path, lambda _: None)
    assert subject.find_prepared(split, Precision.AMX_INT8, tmp_path) is None
    second = subject.prepare(split, Precision.AMX_INT8, tmp_path, lambda _: None)
    assert [request.source.split for request in toolchain.requests] == [False, False, True]
    assert second.path.parent.name.startswith("amx_int8-split-")
    assert second.manifest.source == first.manifest.source
    assert subject.find_prepared(whole, Precision.AMX_INT8, tmp_path) == first
    assert subject.find_prepared(split, Precision.AMX_INT8, tmp_path) == second


@pytest.mark.parametrize("precision", Precision)
@pytest.mark.parametrize("images", [0, 1, 7, 8, 32])
def test_a_split_graph_is_for_amx_and_many_images_in_one_thread(precision, images):
    is_amx = precision in (Precision.AMX_INT8, Precision.AMX_BFLOAT16)
    assert recipes.wants_split(precision, images) is (is_amx and images >= 8)


def test_a_damaged_prepared_file_is_never_used(toolchain, tmp_path):
    source = ModelSource.generated(7)
    first = prepare(source, tmp_path)
    first.path.write_text("prepared Nome")
    assert subject.find_prepared(source, Precision.AVX_FP32, tmp_path) is None
    assert subject.list_prepared(tmp_path) == []
    said: list[str] = []
    assert prepare(source, tmp_path, said).path.read_text() == "prepared None"
    assert said[0].endswith("is damaged: preparing it again")
    assert len(toolchain.requests) == 3


def test_a_damaged_generated_source_is_generated_again(toolchain, tmp_path):
    source = ModelSource.generated(7)
    prepare(source, tmp_path)
    next(tmp_path.glob("sources/*/model.pb")).write_text("generated 8")
    said: list[str] = []
    prepare(source, tmp_path, said)
    assert said[0].endswith("is damaged: generating it again")
    assert len(toolchain.requests) == 3


def test_an_unreadable_manifest_counts_as_damaged(toolchain, tmp_path):
    source = ModelSource.generated(7)
    first = prepare(source, tmp_path)
    (first.path.parent / "manifest.json").write_text("{")
    assert subject.find_prepared(source, Precision.AVX_FP32, tmp_path) is None
    assert prepare(source, tmp_path).manifest.prepared == first.manifest.prepared
    assert len(toolchain.requests) == 3


def test_a_users_file_is_identified_by_its_content(toolchain, tmp_path):
    model = tmp_path / "resnet50_v1.pb"
    model.write_bytes(encode_model("one"))
    first = prepare(ModelSource.file(model), tmp_path)
    assert (first.manifest.kind, first.manifest.seed) == ("user file", None)
    assert first.manifest.source.name == "resnet50_v1.pb"
    model.write_bytes(encode_model("two"))
    assert subject.find_prepared(ModelSource.file(model), Precision.AVX_FP32, tmp_path) is None
    assert prepare(ModelSource.file(model), tmp_path).path != first.path
    assert len(toolchain.requests) == 2


def test_a_missing_file_is_a_wrong_request(toolchain, tmp_path):
    with pytest.raises(ModelError) as caught:
        prepare(ModelSource.file(tmp_path / "none.pb"), tmp_path)
    assert "none.pb: No such file or directory" in caught.value.message
    assert toolchain.requests == []


def test_a_failed_preparation_leaves_nothing_but_the_source(toolchain, tmp_path):
    model = tmp_path / "model.pb"
    model.write_bytes(encode_model("one"))
    toolchain.error = ModelError("is not ResNet-50 v1.5")
    with pytest.raises(ModelError, match="is not ResNet-50"):
        prepare(ModelSource.file(model), tmp_path)
    left = [path.name for path in (tmp_path / "prepared").iterdir()]
    assert [name for name in left if not name.endswith(".lock")] == []


def test_a_precision_without_recipe_is_refused_with_those_that_have_one(monkeypatch, tmp_path):
    monkeypatch.delitem(recipes.RECIPES, Precision.AMX_BFLOAT32)
    with pytest.raises(ModelError) as caught:
        subject.prepare(ModelSource.generated(), Precision.AMX_BFLOAT32, tmp_path, print)
    assert "--precision amx_bfloat32" in caught.value.message
    assert "avx_fp32" in (caught.value.advice or "")


def test_every_precision_has_a_recipe_and_only_int8_is_calibrated():
    needs = {each for each in Precision if recipes.find_recipe(each).quantize is not None}
    assert needs == {Precision.AVX_INT8, Precision.AMX_INT8}


def test_int8_is_calibrated_and_found_only_with_the_same_images(toolchain, tmp_path):
    def find(precision, calibration):
        return subject.find_prepared(
            ModelSource.generated(7), precision, tmp_path / "cache", calibration
        )

    images = CalibrationRequest(images=9, seed=5)
    prepared = subject.prepare(
        ModelSource.generated(7), Precision.AVX_INT8, tmp_path / "cache", str, images
    )
    identity = prepared.manifest.calibration
    assert identity == CalibrationIdentity(kind="generated images", images=9, seed=5)
    assert toolchain.requests[-1].calibration.identity == identity
    assert find(Precision.AVX_INT8, images) == prepared
    assert find(Precision.AVX_INT8, CalibrationRequest(images=9, seed=6)) is None
    assert find(Precision.AVX_INT8, None) is None
    assert find(Precision.AMX_INT8, images) is None
    assert read_manifest(prepared.path.parent / "manifest.json") == prepared.manifest


def test_other_precisions_ignore_the_calibration(toolchain, tmp_path):
    images = CalibrationRequest(dataset=tmp_path / "none")
    source = ModelSource.generated(7)
    prepared = subject.prepare(source, Precision.AVX_BFLOAT16, tmp_path, str, images)
    assert prepared.manifest.calibration is None
    assert toolchain.requests[-1].calibration is None
    assert subject.find_prepared(source, Precision.AVX_BFLOAT16, tmp_path) == prepared


def test_a_calibration_path_that_is_not_there_is_named_before_any_work(toolchain, tmp_path):
    images = CalibrationRequest(dataset=tmp_path / "none")
    with pytest.raises(ModelError, match=r"--calibration .*none: does not exist"):
        subject.prepare(ModelSource.generated(7), Precision.AVX_INT8, tmp_path, str, images)
    assert toolchain.requests == []


def test_the_parent_imports_no_framework():
    script = "import sys, resnet50_bench.model; sys.exit('tensorflow' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
