"""Which preprocessing belongs to PyTorch weights: they were trained and published with one.

What tells it: the file's own hash, of which torch.hub puts the first eight digits into the names of
the files that torchvision and timm publish; or the configuration beside it, as the hub that ships
`model.safetensors` keeps it.
"""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

from resnet50_bench.data.profiles import (
    PROFILES,
    TIMM_95,
    TIMM_100,
    TIMM_875,
    TORCHVISION,
    TORCHVISION_V2,
    Profile,
    Resize,
)
from resnet50_bench.model.manifest import OwnProfile, read_identity

if TYPE_CHECKING:
    from pathlib import Path

    from resnet50_bench.model.formats.model_file import ModelFile

_KNOWN: dict[str, tuple[str, Profile]] = {
    "0676ba61": ("torchvision's IMAGENET1K_V1", TORCHVISION),
    "19c8e357": ("torchvision's IMAGENET1K_V1, as first published", TORCHVISION),
    "11ad3fa6": ("torchvision's IMAGENET1K_V2", TORCHVISION_V2),
    "14fe96d1": ("timm's resnet50.a1_in1k", TIMM_95),
    "a2746f79": ("timm's resnet50.a2_in1k", TIMM_95),
    "59cae1ef": ("timm's resnet50.a3_in1k", TIMM_95),
    "001a1197": ("timm's resnet50.a1h_in1k", TIMM_100),
    "532a802a": ("timm's resnet50.b1k_in1k", TIMM_95),
    "1ba180c1": ("timm's resnet50.b2k_in1k", TIMM_95),
    "5ba5e060": ("timm's resnet50.c1_in1k", TIMM_95),
    "d01e05b2": ("timm's resnet50.c2_in1k", TIMM_95),
    "f39db8af": ("timm's resnet50.d_in1k", TIMM_95),
    "a26f946b": ("timm's resnet50.ram_in1k", TIMM_875),
    "6c502b37": ("timm's resnet50.am_in1k", TIMM_875),
    "85ebb6e5": ("timm's resnet50.ra_in1k", TIMM_875),
    "86acaeed": ("timm's resnet50.bt_in1k", TIMM_875),
    "0ebe02e2": ("timm's resnet50.gluon_in1k", TIMM_875),
    "08389792": ("timm's resnet50.fb_ssl_yfcc100m_ft_in1k", TORCHVISION),
    "16a12f1b": ("timm's resnet50.fb_swsl_ig1b_ft_in1k", TORCHVISION),
}
"""First eight digits of a file's SHA-256, as in its published name (torchvision/models/resnet.py,
timm/models/resnet.py) -> what it is, and its profile at 224 x 224."""

_HASH_DIGITS = 8
_CONFIGURATION = "config.json"
_INTERPOLATIONS = {
    "bilinear": Resize.ANTIALIASED_BILINEAR,
    "bicubic": Resize.ANTIALIASED_BICUBIC,
}
_SIDE = 224


def find_own_profile(file: ModelFile) -> OwnProfile | None:
    """Return the preprocessing that belongs to a file's weights; None where nothing tells it.

    Raises:
        ModelError: the file cannot be read.
    """
    if not file.form.is_weights:
        return None
    known = _KNOWN.get(read_identity(file.path).sha256[:_HASH_DIGITS])
    if known is not None:
        return OwnProfile(known[1].name, f"the file's hash is that of {known[0]}")
    configuration = file.path.with_name(_CONFIGURATION)
    name = _match(_read_settings(configuration))
    return OwnProfile(name, f"{_CONFIGURATION} beside it says so") if name is not None else None


def _read_settings(path: Path) -> dict[str, Any]:
    """Return timm's `pretrained_cfg`; nothing where there is none."""
    try:
        content = json.loads(path.read_bytes())
    except (OSError, ValueError):
        return {}
    settings = content.get("pretrained_cfg", content) if isinstance(content, dict) else {}
    return settings if isinstance(settings, dict) else {}


def _match(settings: dict[str, Any]) -> str | None:
    """Name the profile that prepares images by these settings; None where none does."""
    crop = settings.get("crop_pct")
    if list(settings.get("test_input_size") or ())[-2:] == [_SIDE, _SIDE]:
        crop = settings.get("test_crop_pct", crop)
    resize = _INTERPOLATIONS.get(str(settings.get("interpolation")))
    if not isinstance(crop, float | int) or not 0 < crop <= 1 or resize is None:
        return None
    for profile in PROFILES.values():
        if (
            profile.resize is resize
            and profile.resize_side == math.floor(_SIDE / crop)
            and list(profile.means) == settings.get("mean")
            and list(profile.stds) == settings.get("std")
        ):
            return profile.name
    return None
