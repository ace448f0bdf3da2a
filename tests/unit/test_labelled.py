"""The labelled set is what other tests take it for."""

from __future__ import annotations

import tarfile
from collections import Counter

import numpy as np
import pytest
from tests.labelled import (
    KINDS,
    Mistake,
    make_labelled_set,
    mislabel,
    plan_labels,
    prepare_images,
    write_val_map,
)

from resnet50_bench.data.preprocess import preprocess
from resnet50_bench.data.profiles import MLPERF

COUNT = 2 * KINDS


@pytest.fixture(scope="module")
def labelled(tmp_path_factory):
    return make_labelled_set(tmp_path_factory.mktemp("labelled"), COUNT)


def test_every_kind_is_there_equally_often_and_has_a_class_of_its_own():
    kinds, labels = plan_labels(144)
    assert set(Counter(kinds).values()) == {9}
    assert len(set(labels)) == len(set(zip(kinds, labels))) == KINDS
    assert plan_labels(144) == (kinds, labels)
    assert plan_labels(144, seed=1) != (kinds, labels)


def test_files_and_tar_hold_the_same_images_in_order(labelled):
    assert labelled.names[0] == "ILSVRC2012_val_00000001.JPEG"
    with tarfile.open(labelled.tar) as archive:
        assert archive.getnames() == list(labelled.names)
        for name in labelled.names:
            assert archive.extractfile(name).read() == (labelled.folder / name).read_bytes()
    lines = (labelled.folder.parent / "val_map.txt").read_text().splitlines()
    assert lines == [f"{name} {label}" for name, label in zip(labelled.names, labelled.labels)]


def test_the_same_seed_gives_the_same_files(labelled, tmp_path):
    again = make_labelled_set(tmp_path / "again", COUNT)
    assert again.tar.stat().st_size == labelled.tar.stat().st_size
    for name in labelled.names:
        assert (again.folder / name).read_bytes() == (labelled.folder / name).read_bytes()


def test_images_are_prepared_as_the_package_prepares_them(labelled):
    expected = [
        preprocess((labelled.folder / name).read_bytes(), MLPERF) for name in labelled.names
    ]
    assert np.array_equal(prepare_images(labelled), expected)


@pytest.mark.parametrize("mistake", [item for item in Mistake if item is not Mistake.NONE])
def test_every_mistake_changes_every_image(labelled, mistake):
    right, wrong = prepare_images(labelled), prepare_images(labelled, mistake)
    assert wrong.shape == right.shape
    assert np.abs(right - wrong).mean(axis=(1, 2, 3)).min() > 5


def test_mislabel_changes_as_many_labels_as_asked():
    labels = (5, 5, 7, 9, 7)
    assert mislabel(labels, 0) == labels
    assert mislabel(labels, 3) == (7, 7, 9, 9, 7)
    assert mislabel(labels, 5) == (7, 7, 9, 7, 5)


def test_val_map(tmp_path):
    path = write_val_map(tmp_path / "map.txt", ["a.JPEG", "b.JPEG"], [0, 999])
    assert path.read_text() == "a.JPEG 0\nb.JPEG 999\n"
