"""Settings as a user gives them, and what is answered to wrong ones."""

from __future__ import annotations

import pytest

from resnet50_bench.config import RunConfig
from resnet50_bench.errors import ConfigError
from resnet50_bench.parameters.parameter import Setting
from resnet50_bench.parameters.settings import make_config


def make(origin: str = "--set", **settings: str) -> RunConfig:
    return make_config(Setting(name, value, f"{origin} {name}") for name, value in settings.items())


def problems(**settings: str) -> tuple[str, ...]:
    with pytest.raises(ConfigError) as caught:
        make(**settings)
    return caught.value.problems


WHOLE = "a whole number, 1 or more"
IMAGES = (
    "generated images have no right answer: give --dataset PATH; ImageNet's validation images are "
    "ILSVRC2012_img_val.tar from image-net.org (`r50 dataset fetch DIR`)"
)
WEIGHTS = (
    "generated weights have learned nothing: give --model FILE; `r50 model fetch` gets the "
    "published resnet50_v1.pb"
)
