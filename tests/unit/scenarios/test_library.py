"""The images in memory."""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from resnet50_bench.data.buffers import empty_images
from resnet50_bench.data.preprocess import preprocess
from resnet50_bench.data.profiles import MLPERF
from resnet50_bench.data.sources import ignore_listing
from resnet50_bench.data.sources.index import Opener
from resnet50_bench.errors import DatasetError
from resnet50_bench.scenarios.library import Library
from resnet50_bench.scenarios.messages import IssuerJob, RealImages
from resnet50_bench.scenarios.request import LoadgenRequest, Scenario


def make_job(**images) -> IssuerJob:
    return IssuerJob(
        request=LoadgenRequest(scenario=Scenario.OFFLINE), folder="", queue="", cpus=(0,),
        own_core=True, loading_cpus=(0,), total=9, samples=None, seeds={}, **images,
    )  # fmt: skip


def test_an_image_is_the_same_wherever_it_lies_and_named_twice_lies_once() -> None:
    memory = empty_images(3)
    library = Library(memory, make_job(seed=4))
    library.load([7, 2, 5, 7])
    assert library.places == {7: 0, 2: 1, 5: 2}
    seven = memory[0].copy()
    assert not np.array_equal(seven, memory[1])
    library.load([2, 7])
    assert library.places == {2: 0, 7: 1}
    assert np.array_equal(memory[1], seven)


def make_real(folder: Path) -> RealImages:
    rng = np.random.default_rng(3)
    for number in range(3):
        pixels = rng.integers(0, 256, (240, 250, 3), np.uint8)
        assert cv2.imwrite(str(folder / f"{number}.png"), pixels)
    source = Opener(None, ignore_listing).open(folder)
    return RealImages(path=str(folder), refs=source.refs, profile="mlperf")


def test_real_images_are_those_of_the_index(tmp_path: Path) -> None:
    real = make_real(tmp_path)
    memory = empty_images(2)
    Library(memory, make_job(real=real)).load([2, 0])
    for place, index in enumerate((2, 0)):
        expected = preprocess((tmp_path / f"{index}.png").read_bytes(), MLPERF)
        assert np.array_equal(memory[place], expected)


def test_an_image_that_cannot_be_read_ends_the_run(tmp_path: Path) -> None:
    real = make_real(tmp_path)
    (tmp_path / "1.png").write_bytes((tmp_path / "1.png").read_bytes()[:500])
    with pytest.raises(DatasetError, match=r"--dataset: 1\.png cannot be read"):
        Library(empty_images(3), make_job(real=real)).load([0, 1, 2])
