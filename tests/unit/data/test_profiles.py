from __future__ import annotations

from dataclasses import fields

import pytest

from resnet50_bench.config import Preprocessing
from resnet50_bench.data.profiles import (
    _PIXEL_FIELDS,
    IMAGE_BYTES,
    MLPERF,
    PROFILES,
    TENSORFLOW,
    TORCHVISION,
    Profile,
    find_pixel_twin,
    find_profile,
    list_variants,
)
from resnet50_bench.errors import RequestError


def test_the_three_profiles_are_those_that_can_be_asked_for():
    assert list(PROFILES) == [item.value for item in Preprocessing]
    assert PROFILES == {"mlperf": MLPERF, "tensorflow": TENSORFLOW, "torchvision": TORCHVISION}


def test_constants():
    assert MLPERF.resize_side == int(100.0 * 224 / 87.5) == 256
    assert {profile.crop_side for profile in PROFILES.values()} == {224}
    assert MLPERF.means == TENSORFLOW.means == (123.68, 116.78, 103.94)
    assert TORCHVISION.means == (0.485, 0.456, 0.406)
    assert TORCHVISION.stds == (0.229, 0.224, 0.225)
    assert IMAGE_BYTES == 602_112
    assert [item.is_uint8_exact for item in PROFILES.values()] == [True, False, True]


def test_a_name_finds_its_profile():
    for name, profile in PROFILES.items():
        assert find_profile(name) is profile


def test_a_variant_is_the_profile_with_a_change():
    variant = find_profile("torchvision/bgr")
    assert variant.name == "torchvision/bgr"
    assert variant.bgr
    assert variant.means == TORCHVISION.means


@pytest.mark.parametrize(
    ("name", "message", "advice"),
    [
        ("caffe", "--preprocessing caffe: there is no such profile",
         "choose mlperf, tensorflow, torchvision"),
        ("mlperf/gray", "--preprocessing mlperf/gray: mlperf has no such variant",
         "give mlperf/CHANGE, with CHANGE one of bgr, no-mean, unit, symmetric, standardised, "
         "squash, no-crop-margin, bilinear"),
        ("mlperf/", "--preprocessing mlperf/: mlperf has no such variant", None),
        ("mlperf/area", "--preprocessing mlperf/area: mlperf has no such variant", None),
    ],
)  # fmt: skip
def test_an_unknown_name(name, message, advice):
    with pytest.raises(RequestError) as caught:
        find_profile(name)
    assert caught.value.message == message
    assert advice is None or caught.value.advice == advice


def test_the_variants_of_each_profile():
    values = ["bgr", "no-mean", "unit", "symmetric"]
    shapes = ["squash", "no-crop-margin"]
    assert {name: [item.name for item in list_variants(p)] for name, p in PROFILES.items()} == {
        "mlperf": [*values, "standardised", *shapes, "bilinear", "tensorflow", "torchvision"],
        "tensorflow": [*values, "standardised", *shapes, "area", "mlperf", "torchvision"],
        "torchvision": [*values, *shapes, "bilinear", "area", "mlperf", "tensorflow"],
    }


def test_causes_are_sentences_that_begin_with_what_the_model_expects():
    causes = {item.profile_name: item.cause for p in PROFILES.values() for item in list_variants(p)}
    assert all(text.startswith("the model expects ") for text in causes.values())
    assert causes["mlperf/bgr"] == "the model expects BGR channels and got RGB"
    assert causes["torchvision/unit"] == (
        "the model expects values from 0 to 1 and got values normalised as torchvision does"
    )
    assert causes["mlperf/bilinear"] == (
        "the model expects a bilinear resize and got area averages"
    )


def test_only_channels_and_values_share_a_profiles_crops():
    for name, base in PROFILES.items():
        for variant in list_variants(base):
            twin = find_pixel_twin(find_profile(variant.profile_name))
            shares = variant.name in ("bgr", "no-mean", "unit", "symmetric", "standardised")
            assert twin.name == (name if shares else variant.profile_name)


def test_every_field_either_decides_the_pixels_or_normalises_them():
    others = {"name", "family", "source", "divisor", "means", "stds", "bgr"}
    assert {item.name for item in fields(Profile)} == others | set(_PIXEL_FIELDS)
