"""Preprocessing profiles: how an image becomes the model's input; plain data, no imports.

A model is trained and published with one preprocessing, and loses up to several points of accuracy
with another. Each profile therefore belongs to a family of models, and `list_variants` names what
to try when an accuracy is too low.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from enum import Enum
from typing import TYPE_CHECKING, Any, Literal

from resnet50_bench.errors import RequestError

if TYPE_CHECKING:
    from collections.abc import Mapping

Channels = tuple[float, float, float]
"""One number for red, green and blue, in this order."""

BACKGROUND_CLASSES = 1001
"""A model of this many classes has the background class at index 0, as TensorFlow's do."""

PREPROCESSING_VERSION = 1
"""Changes whenever a profile gives other values than before, so that stored crops are not used."""


class Decoding(str, Enum):
    """How a JPEG's coefficients become pixels."""

    ACCURATE = "accurate"
    """libjpeg's integer DCT ("islow") and smooth chroma upsampling, its defaults."""
    FAST = "fast"
    """libjpeg's fast integer DCT ("ifast"), chroma pixels repeated."""


class Resize(str, Enum):
    """How pixels are interpolated."""

    AREA = "area"
    """OpenCV INTER_AREA: the mean of the covered area where the image shrinks; uint8."""
    BILINEAR = "bilinear"
    """OpenCV INTER_LINEAR: of the four neighbours, whatever the scale; uint8."""
    FLOAT_BILINEAR = "float-bilinear"
    """tf.image.resize: of the four neighbours, half-pixel centres, no antialiasing; float32."""
    ANTIALIASED_BILINEAR = "antialiased-bilinear"
    """Pillow BILINEAR: a triangle as wide as the scale; uint8."""
    ANTIALIASED_BICUBIC = "antialiased-bicubic"
    """Pillow BICUBIC: a cubic, a = -0.5, as wide as the scale; uint8."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """One way to turn an image file into the model's input.

    A value is `(pixel / divisor - mean) / std` in float32, in this order.

    Attributes:
        name: as the user writes it.
        family: the models that expect it.
        source: where its steps and numbers come from.
        decoding: how JPEGs are decoded.
        fallback: what decodes everything that is not a plain gray or YCbCr JPEG.
        upright: whether the EXIF orientation is applied.
        resize: the interpolation.
        resize_side: pixels of the shorter side after the resize; of both sides when the aspect
            ratio is not kept.
        keep_aspect: whether the aspect ratio is kept.
        crop_side: pixels of each side of the centre crop.
        halves: what happens to half a pixel of the crop's margin: cut off, or rounded to even.
        divisor: of the pixel values, which range from 0 to 255.
        means: subtracted after the division.
        stds: divisors after the subtraction.
        bgr: whether blue comes first in the result; means and stds stay with their colours.

    """

    name: str
    family: str
    source: str
    decoding: Decoding = Decoding.ACCURATE
    fallback: Literal["opencv", "pillow"] = "opencv"
    upright: bool
    resize: Resize
    resize_side: int = 256
    keep_aspect: bool = True
    crop_side: int = 224
    halves: Literal["down", "even"] = "down"
    divisor: float = 1.0
    means: Channels
    stds: Channels = (1.0, 1.0, 1.0)
    bgr: bool = False

    @property
    def is_uint8_exact(self) -> bool:
        """Whether the crop is whole numbers, which a cache of bytes can hold without loss."""
        return self.resize is not Resize.FLOAT_BILINEAR


MLPERF = Profile(
    name="mlperf",
    family="the MLPerf reference's resnet50_v1.pb, its ONNX twin, and what is converted from them",
    source=(
        "mlcommons/inference, vision/classification_and_detection/python/dataset.py, "
        "pre_process_vgg: cv2.imread, AREA resize of the shorter side to 256, centre crop 224, "
        "means subtracted"
    ),
    upright=True,  # cv2.imread does so
    resize=Resize.AREA,
    resize_side=256,  # int(100 * 224 / 87.5)
    means=(123.68, 116.78, 103.94),
)
"""The preprocessing resnet50_v1.pb is evaluated with: 76.456 % top-1 on the 50,000 images."""

TENSORFLOW = Profile(
    name="tensorflow",
    family="the same graphs as IntelAI/models evaluates them, from TFRecords",
    source=(
        "IntelAI/models (now intel/ai-reference-models), models/image_recognition/tensorflow/"
        "resnet50v1_5/inference/cpu/preprocessing.py, eval_image with resize_method 'crop': "
        "decode_jpeg(fancy_upscaling=False, dct_method='INTEGER_FAST'), tf.image.resize of the "
        "shorter side to 256, centre crop 224, means subtracted"
    ),
    decoding=Decoding.FAST,
    upright=False,  # tf.image.decode_jpeg ignores the orientation
    resize=Resize.FLOAT_BILINEAR,
    means=(123.68, 116.78, 103.94),
)
"""As the model zoo does it since it runs on TensorFlow 2; before, with TensorFlow 1, its resize had
no half-pixel centres."""

TORCHVISION = Profile(
    name="torchvision",
    family="graphs converted from torchvision's resnet50 weights",
    source=(
        "torchvision, references/classification/presets.py, ClassificationPresetEval with the PIL "
        "backend, and datasets/folder.py, pil_loader: Image.open().convert('RGB'), Resize(256), "
        "CenterCrop(224), division by 255, Normalize"
    ),
    fallback="pillow",
    upright=False,  # pil_loader ignores the orientation
    resize=Resize.ANTIALIASED_BILINEAR,
    halves="even",  # int(round(margin / 2.0))
    divisor=255.0,
    means=(0.485, 0.456, 0.406),
    stds=(0.229, 0.224, 0.225),
)
"""The preprocessing of IMAGENET1K_V1, 76.130 % top-1 by torchvision."""

TORCHVISION_V2 = replace(
    TORCHVISION,
    name="torchvision-v2",
    family="torchvision's resnet50 weights IMAGENET1K_V2",
    source=(
        "torchvision/models/resnet.py, ResNet50_Weights.IMAGENET1K_V2: "
        "ImageClassification(crop_size=224, resize_size=232)"
    ),
    resize_side=232,
)

_TIMM_SOURCE = (
    "timm/models/resnet.py, default_cfgs, and timm/data/transforms_factory.py, "
    "transforms_imagenet_eval: Resize(floor(224 / crop_pct)) by Pillow's bicubic, CenterCrop(224), "
    "division by 255, Normalize"
)


def _plan_timm(crop: str, side: int, family: str) -> Profile:
    return replace(
        TORCHVISION,
        name=f"timm-{crop}",
        family=family,
        source=_TIMM_SOURCE,
        resize=Resize.ANTIALIASED_BICUBIC,
        resize_side=side,
    )


TIMM_875 = _plan_timm("0.875", 256, "timm's resnet50.ra_in1k, ram_in1k, am_in1k, bt_in1k, gluon")
TIMM_95 = _plan_timm("0.95", 235, "timm's resnet50.a1_in1k, a2, a3, b1k, b2k, c1, c2 and d_in1k")
TIMM_100 = _plan_timm("1.0", 224, "timm's resnet50.a1h_in1k")

PROFILES: dict[str, Profile] = {
    item.name: item
    for item in (
        *(MLPERF, TENSORFLOW, TORCHVISION, TORCHVISION_V2),
        *(TIMM_875, TIMM_95, TIMM_100),
    )
}
"""Profile name -> profile."""

IMAGE_BYTES = MLPERF.crop_side * MLPERF.crop_side * 3 * 4
"""Bytes of one prepared image: float32 `(224, 224, 3)`."""


@dataclass(frozen=True, slots=True)
class Variant:
    """A preprocessing to try when the accuracy with another is too low.

    Attributes:
        name: of the change, or of the other profile.
        profile_name: what `find_profile` takes.
        cause: what is wrong if this one gives the expected accuracy, in one sentence.

    """

    name: str
    profile_name: str
    cause: str


@dataclass(frozen=True, slots=True)
class _Change:
    name: str
    expected: str
    given: str
    fields: Mapping[str, Any] = field(default_factory=dict)


_PLAIN: Mapping[str, Any] = {"divisor": 1.0, "means": (0.0, 0.0, 0.0), "stds": (1.0, 1.0, 1.0)}

_PIXEL_FIELDS = ("decoding", "fallback", "upright", "resize", "resize_side", "keep_aspect",
                 "crop_side", "halves")  # fmt: skip
"""What decides a crop's pixels; the rest of a profile names it or normalises them."""

_STANDARDISED = "values normalised as torchvision does"

_RESIZE_TEXTS = {
    Resize.AREA: "area averages",
    Resize.BILINEAR: "a bilinear resize",
    Resize.FLOAT_BILINEAR: "a bilinear resize",
    Resize.ANTIALIASED_BILINEAR: "an antialiased bilinear resize",
    Resize.ANTIALIASED_BICUBIC: "an antialiased bicubic resize",
}


def find_profile(name: str) -> Profile:
    """Return a profile by its name, or a variant by `PROFILE/CHANGE`.

    Raises:
        RequestError: there is no such profile or change.

    """
    base, _, change = name.partition("/")
    if base not in PROFILES:
        raise RequestError(
            f"--preprocessing {name}: there is no such profile", f"choose {_join(PROFILES)}"
        )
    profile = PROFILES[base]
    changes = {item.name: item for item in _list_changes(profile)}
    if name == base:
        return profile
    if change not in changes:
        raise RequestError(
            f"--preprocessing {name}: {base} has no such variant",
            f"give {base}/CHANGE, with CHANGE one of {_join(changes)}",
        )
    return replace(profile, name=name, **changes[change].fields)


def list_variants(profile: Profile) -> tuple[Variant, ...]:
    """Return what else a model may expect that is given this profile, the likeliest first.

    Args:
        profile: one of `PROFILES`, or a variant of one.

    Returns:
        the changes that make a difference to `profile`, then the other profiles, of which those
        that differ in the resize alone count as one: that costs a point or two, no more.

    """
    base = profile.name.partition("/")[0]
    changed = tuple(
        Variant(
            item.name,
            f"{base}/{item.name}",
            f"the model expects {item.expected} and got {item.given}",
        )
        for item in _list_changes(profile)
        if f"{base}/{item.name}" != profile.name
    )
    seen = {_describe_values(profile)}
    others = []
    for name, other in PROFILES.items():
        if _describe_values(other) not in seen:
            seen.add(_describe_values(other))
            cause = f"the model expects the preprocessing {name} and got {profile.name}"
            others.append(Variant(name, name, cause))
    return (*changed, *others)


def find_pixel_twin(profile: Profile) -> Profile:
    """Return the profile of `PROFILES` whose crops have the same pixels before normalisation.

    A variant that only changes channels or values has its profile's crops; others are their own.
    """
    for base in PROFILES.values():
        if all(getattr(base, name) == getattr(profile, name) for name in _PIXEL_FIELDS):
            return base
    return profile


def _describe_values(profile: Profile) -> tuple[object, ...]:
    """What distinguishes a profile from others, the resize aside."""
    return tuple(
        getattr(profile, name)
        for name in ("decoding", "fallback", "upright", "divisor", "means", "stds", "bgr")
    )


def _list_changes(profile: Profile) -> tuple[_Change, ...]:
    """Return the changes whose fields differ from the profile's."""
    values = _STANDARDISED if profile.divisor != 1 else "0 to 255 less the channel means"
    if "/" in profile.name:
        values = f"those of {profile.name}"
    resize = _RESIZE_TEXTS[profile.resize]
    whole = "the centre of images that keep their shape"
    standardised = {key: getattr(TORCHVISION, key) for key in _PLAIN}
    squash = {"resize_side": profile.crop_side, "keep_aspect": False}
    changes = (
        _Change("bgr", "BGR channels", "RGB", {"bgr": True}),
        _Change("no-mean", "values from 0 to 255", values, _PLAIN),
        _Change("unit", "values from 0 to 1", values, {**_PLAIN, "divisor": 255.0}),
        _Change("symmetric", "values from -1 to 1", values,
                {**_PLAIN, "divisor": 127.5, "means": (1.0, 1.0, 1.0)}),
        _Change("standardised", _STANDARDISED, values, standardised),
        _Change("squash", "images resized to 224x224 whatever their shape", whole, squash),
        _Change("no-crop-margin", "the shorter side resized to 224",
                f"{profile.resize_side} cropped to 224", {"resize_side": profile.crop_side}),
        _Change("bilinear", _RESIZE_TEXTS[Resize.BILINEAR], resize, {"resize": Resize.BILINEAR}),
        _Change("area", _RESIZE_TEXTS[Resize.AREA], resize, {"resize": Resize.AREA}),
    )  # fmt: skip
    return tuple(
        item
        for item in changes
        if replace(profile, **item.fields) != profile and item.expected != item.given
    )


def _join(names: Mapping[str, Any]) -> str:
    return ", ".join(names)


def name_usual_profile(classes: int) -> str:
    """Name the profile that models of so many classes were trained with."""
    return MLPERF.name if classes == BACKGROUND_CLASSES else TORCHVISION.name
