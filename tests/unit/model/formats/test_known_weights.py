import json

import pytest

from resnet50_bench.data.profiles import PROFILES
from resnet50_bench.model.formats import known_weights
from resnet50_bench.model.formats.kinds import Form
from resnet50_bench.model.formats.known_weights import find_own_profile
from resnet50_bench.model.formats.model_file import ModelFile
from resnet50_bench.model.manifest import read_identity

MEANS_AND_STDS = {"mean": [0.485, 0.456, 0.406], "std": [0.229, 0.224, 0.225]}


@pytest.fixture
def weights(tmp_path):
    (path := tmp_path / "model.safetensors").write_bytes(b"weights")
    return ModelFile(path, Form.SAFETENSORS)


def test_nothing_tells_the_preprocessing_of_unknown_weights(weights):
    assert find_own_profile(weights) is None


def test_a_published_file_is_known_by_its_hash_whatever_its_name(weights, monkeypatch):
    digits = read_identity(weights.path).sha256[:8]
    known = {digits: known_weights._KNOWN["11ad3fa6"]}
    monkeypatch.setattr(known_weights, "_KNOWN", known)
    own = find_own_profile(weights)
    assert own.name == "torchvision-v2"
    assert own.reason == "the file's hash is that of torchvision's IMAGENET1K_V2"


def test_every_known_file_has_a_profile_that_can_be_asked_for():
    for digits, (_, profile) in known_weights._KNOWN.items():
        assert len(digits) == 8
        assert int(digits, 16) >= 0
        assert PROFILES[profile.name] is profile


@pytest.mark.parametrize(
    ("settings", "profile"),
    [
        # timm's pretrained_cfg of resnet50.a1_in1k, tv_in1k, tv2_in1k, ra_in1k and a1h_in1k
        ({"interpolation": "bicubic", "crop_pct": 0.95, "test_input_size": [3, 288, 288],
          "test_crop_pct": 1.0}, "timm-0.95"),
        ({"interpolation": "bilinear", "crop_pct": 0.875}, "torchvision"),
        ({"interpolation": "bilinear", "crop_pct": 0.875, "test_input_size": [3, 224, 224],
          "test_crop_pct": 0.965}, "torchvision-v2"),
        ({"interpolation": "bicubic", "crop_pct": 0.875}, "timm-0.875"),
        ({"interpolation": "bicubic", "crop_pct": 0.9, "test_input_size": [3, 224, 224],
          "test_crop_pct": 1.0}, "timm-1.0"),
        ({"interpolation": "bicubic", "crop_pct": 0.9}, None),
        ({"interpolation": "bicubic", "crop_pct": 0.875, "mean": [0.5, 0.5, 0.5]}, None),
        ({"crop_pct": "x"}, None),
    ],
)  # fmt: skip
def test_the_configuration_beside_the_weights_tells_it(weights, settings, profile):
    content = {"architecture": "resnet50", "pretrained_cfg": {**MEANS_AND_STDS, **settings}}
    weights.path.with_name("config.json").write_text(json.dumps(content))
    own = find_own_profile(weights)
    assert (own.name if own else None) == profile


@pytest.mark.parametrize("content", ["", "[1]", '{"pretrained_cfg": 3}'])
def test_a_configuration_of_something_else_tells_nothing(weights, content):
    weights.path.with_name("config.json").write_text(content)
    assert find_own_profile(weights) is None
