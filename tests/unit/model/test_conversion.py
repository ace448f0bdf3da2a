from dataclasses import replace
from pathlib import Path
from typing import ClassVar

import pytest
from tests.records import make_manifest

from resnet50_bench.config import Precision
from resnet50_bench.engines import Extra, Form
from resnet50_bench.errors import ModelError
from resnet50_bench.model import PreparedModel, Wanted
from resnet50_bench.model import conversion as subject
from resnet50_bench.model.calibration import CalibrationIdentity, CalibrationRequest
from resnet50_bench.model.manifest import Agreement, OwnProfile, Reading
from resnet50_bench.model.protocol import ToolchainAnswer

AGREEMENT = Agreement(128, 1e-6, 2e-6, 127)
INT8 = Wanted(engine="other", precision=Precision.AVX_INT8, environment={"A": "1"})
FP32 = replace(INT8, precision=Precision.AVX_FP32)


class OtherEngine:
    """Converts for int8 and loads the graph itself in float32."""

    name = "other"
    extra = Extra(name="other", packages=())
    forms: ClassVar = {
        Precision.AVX_FP32: Form(graph=Precision.AVX_FP32),
        Precision.AVX_INT8: Form(graph=Precision.AVX_FP32, converter="any", calibrates=True),
    }


class Converter:
    """Writes what is asked for and notes each request."""

    def __init__(self):
        self.requests = []
        self.environments = []

    def __call__(self, request, on_progress, environment=None):
        self.requests.append(request)
        self.environments.append(environment)
        Path(request.scores).write_bytes(b"scores")
        if request.output is not None:
            Path(request.output).mkdir()
            (Path(request.output) / "model.xml").write_text("converted")
        agreement = AGREEMENT if request.expected is not None else None
        return ToolchainAnswer(finished=True, steps=("quantized",), agreement=agreement)

    def list_engines(self):
        return [item.engine for item in self.requests]


@pytest.fixture
def converter(monkeypatch):
    fake = Converter()
    monkeypatch.setattr(subject, "run_converter", fake)
    monkeypatch.setattr(subject, "load_engine", lambda _: OtherEngine())
    monkeypatch.setattr(subject, "read_versions", lambda _: {"other": "1.0"})
    return fake


@pytest.fixture
def prepared(tmp_path):
    path = tmp_path / "model.pb"
    path.write_bytes(b"graph")
    return PreparedModel(path, make_manifest())


def convert(prepared, wanted, cache, said=None):
    return subject.convert(prepared, wanted, cache, (said if said is not None else []).append)


def test_tensorflow_loads_the_graph_as_it_is(converter, prepared, tmp_path):
    wanted = replace(FP32, engine="tensorflow")
    assert convert(prepared, wanted, tmp_path) is prepared
    assert subject.find_converted(prepared, wanted, tmp_path) is prepared
    assert converter.requests == []


def test_a_graph_is_converted_compared_and_found_again(converter, prepared, tmp_path):
    assert subject.find_converted(prepared, INT8, tmp_path) is None
    model = convert(prepared, INT8, tmp_path)
    assert converter.list_engines() == ["tensorflow", "other"]
    assert converter.environments == [None, {"A": "1"}]
    assert (model.path / "model.xml").read_text() == "converted"
    made = model.manifest.conversion
    assert made is not None
    assert (made.engine, made.precision, made.steps) == (
        "other",
        Precision.AVX_INT8,
        ("quantized",),
    )
    assert made.calibration is not None
    assert made.calibration.images == 128
    assert model.manifest.agreement == AGREEMENT
    assert model.manifest.loaded == made.converted != model.manifest.prepared
    assert subject.find_converted(prepared, INT8, tmp_path) == model
    assert convert(prepared, INT8, tmp_path) == model
    assert len(converter.requests) == 2


def test_an_engine_that_loads_the_graph_itself_is_compared_too(converter, prepared, tmp_path):
    model = convert(prepared, FP32, tmp_path)
    assert model.path == prepared.path
    assert model.manifest.loaded == prepared.manifest.prepared
    assert converter.requests[1].output is None
    assert subject.find_converted(prepared, FP32, tmp_path) == model


def test_tensorflows_answers_are_made_once_for_all(converter, prepared, tmp_path, monkeypatch):
    convert(prepared, FP32, tmp_path)
    monkeypatch.setattr(subject, "read_versions", lambda _: {"other": "2.0"})
    assert subject.find_converted(prepared, FP32, tmp_path) is None  # another release
    convert(prepared, FP32, tmp_path)
    assert converter.list_engines() == ["tensorflow", "other", "other"]


def test_other_images_to_calibrate_with_make_another_model(converter, prepared, tmp_path):
    convert(prepared, INT8, tmp_path)
    other = replace(INT8, calibration=CalibrationRequest(images=64))
    assert subject.find_converted(prepared, other, tmp_path) is None
    # They decide nothing where none calibrate.
    model = convert(prepared, FP32, tmp_path)
    asked = replace(FP32, calibration=CalibrationRequest(images=64))
    assert subject.find_converted(prepared, asked, tmp_path) == model


def test_what_was_damaged_is_made_again_and_said(converter, prepared, tmp_path):
    model = convert(prepared, INT8, tmp_path)
    (model.path / "model.xml").write_text("damaged")
    assert subject.find_converted(prepared, INT8, tmp_path) is None
    said: list[str] = []
    assert convert(prepared, INT8, tmp_path, said).path == model.path
    assert "is damaged" in said[0]
    assert (model.path / "model.xml").read_text() == "converted"


def test_nothing_is_left_of_a_conversion_that_fails(converter, prepared, tmp_path, monkeypatch):
    def fail(request, *_):
        Path(request.scores).write_bytes(b"scores")
        if request.expected is not None:
            raise ModelError("does not answer as its source does")
        return ToolchainAnswer(finished=True)

    monkeypatch.setattr(subject, "run_converter", fail)
    with pytest.raises(ModelError):
        convert(prepared, INT8, tmp_path)
    assert not list((tmp_path / "converted").glob("*/"))


def test_images_are_preprocessed_as_belongs_to_the_model(converter, prepared, tmp_path):
    own = Reading(form="PyTorch weights", input_name="x", output_name="y",
                  preprocessing=OwnProfile("torchvision", "its weights"))  # fmt: skip
    model = replace(prepared, manifest=replace(prepared.manifest, reading=own))
    convert(model, FP32, tmp_path)
    expected = replace(CalibrationIdentity.generated(), preprocessing="torchvision")
    assert [item.calibration.identity for item in converter.requests] == [expected, expected]
