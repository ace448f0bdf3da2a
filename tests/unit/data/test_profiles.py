from __future__ import annotations

from dataclasses import fields, replace

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

KINDS = {"mlperf": MLPERF, "tensorflow": TENSORFLOW, "torchvision": TORCHVISION}
"""The others are one of these with another resize."""


def test_the_profiles_are_those_that_can_be_asked_for():
    assert list(PROFILES) == [item.value for item in Preprocessing]
    assert list(PROFILES.values())[: len(KINDS)] == list(KINDS.values())


def test_weights_published_later_differ_in_the_resize_alone():
    for profile in list(PROFILES.values())[len(KINDS) :]:
        named = {"name": profile.name, "family": profile.family, "source": profile.source}
        resized = {"resize": profile.resize, "resize_side": profile.resize_side}
        assert replace(TORCHVISION, **named, **resized) == profile
    assert {name: profile.resize_side for name, profile in PROFILES.items()} == {
        "mlperf": 256,
        "tensorflow": 256,
        "torchvision": 256,
        "torchvision-v2": 232,
        "timm-0.875": int(224 / 0.875),
        "timm-0.95": int(224 / 0.95),
        "timm-1.0": 224,
    }


def test_constants():
    assert MLPERF.resize_side == int(100.0 * 224 / 87.5) == 256
    assert {profile.crop_side for profile in PROFILES.values()} == {224}
    assert MLPERF.means == TENSORFLOW.means == (123.68, 116.78, 103.94)
    assert TORCHVISION.means == (0.485, 0.456, 0.406)
    assert TORCHVISION.stds == (0.229, 0.224, 0.225)
    assert IMAGE_BYTES == 602_112
    assert [name for name, item in PROFILES.items() if not item.is_uint8_exact] == ["tensorflow"]


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
         "choose mlperf, tensorflow, torchvision, torchvision-v2, timm-0.875, timm-0.95, timm-1.0"),
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
    assert {name: [item.name for item in list_variants(p)] for name, p in KINDS.items()} == {
        "mlperf": [*values, "standardised", *shapes, "bilinear", "tensorflow", "torchvision"],
        "tensorflow": [*values, "standardised", *shapes, "area", "mlperf", "torchvision"],
        "torchvision": [*values, *shapes, "bilinear", "area", "mlperf", "tensorflow"],
    }


def test_the_variants_of_a_variant_are_those_of_its_profile():
    names = [item.profile_name for item in list_variants(find_profile("mlperf/unit"))]
    assert "mlperf/unit" not in names
    assert {"mlperf", "mlperf/bgr", "torchvision"} <= set(names)


def test_a_profile_that_differs_in_the_resize_alone_is_not_tried():
    names = {item.profile_name for item in list_variants(find_profile("torchvision-v2"))}
    assert "torchvision-v2/bgr" in names
    assert {name for name in names if "/" not in name} == {"mlperf", "tensorflow"}


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
    for name, base in KINDS.items():
        for variant in list_variants(base):
            twin = find_pixel_twin(find_profile(variant.profile_name))
            shares = variant.name in ("bgr", "no-mean", "unit", "symmetric", "standardised")
            assert twin.name == (name if shares else variant.profile_name)


def test_every_field_either_decides_the_pixels_or_normalises_them():
    others = {"name", "family", "source", "divisor", "means", "stds", "bgr"}
    assert {item.name for item in fields(Profile)} == others | set(_PIXEL_FIELDS)
