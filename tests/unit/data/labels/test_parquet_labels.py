"""From a Parquet file's bytes to labels: its metadata names the classes, and is checked."""

from __future__ import annotations

import pytest
from tests.unit.data.sources.test_parquet import write_parquet

from resnet50_bench.data.labels.classes import read_classes
from resnet50_bench.data.labels.find import find_labels
from resnet50_bench.data.labels.orders import read_order
from resnet50_bench.data.sources import open_source
from resnet50_bench.errors import DatasetError

CLASSES = read_classes()
WNIDS = [item.wnid for item in CLASSES]
PEOPLE = [", ".join(item.names) for item in CLASSES]
"""As the Hugging Face hub's ImageNet names them: `tench, Tinca tinca`."""


def write(tmp_path, names):
    rows = [(b"x", "a.jpg", 0), (b"y", "b.jpg", 1), (b"z", "c.jpg", 999)]
    return open_source(write_parquet(tmp_path / "val.parquet", rows, names=names))


@pytest.mark.parametrize("names", [WNIDS, PEOPLE, None])
def test_names_in_the_order_of_the_synsets_or_none_at_all(tmp_path, names):
    assert find_labels(write(tmp_path, names), None).labels == (0, 1, 999)


def test_names_in_another_order_say_what_the_numbers_are_unless_the_user_does(tmp_path):
    source = write(tmp_path, WNIDS[::-1])
    assert find_labels(source, None).labels == (999, 998, 0)
    assert find_labels(source, None, order=read_order("synset")).labels == (0, 1, 999)


def test_names_that_people_read_in_the_devkits_order(tmp_path):
    by_id = sorted(range(1000), key=lambda number: CLASSES[number].ilsvrc2012_id)
    source = write(tmp_path, [PEOPLE[number] for number in by_id])
    assert find_labels(source, None).labels == (by_id[0], by_id[1], by_id[999])


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (WNIDS[:999], "lists 999 classes, not 1000"),
        (["n99999999", *WNIDS[:0:-1]], "'n99999999' is the name of no class"),
        ([WNIDS[5], *WNIDS[:0:-1]], f"'{WNIDS[5]}' stands there twice"),
    ],
)
def test_names_that_are_not_the_classes_are_refused(tmp_path, names, message):
    source = write(tmp_path, names)
    with pytest.raises(DatasetError) as caught:
        find_labels(source, None)
    where = f"--dataset {source.path}: the names of its classes: "
    assert caught.value.message == where + message
    assert "--class-order" in caught.value.advice


def test_a_wnid_in_the_path_that_contradicts_the_column_is_refused_with_both(tmp_path):
    name = f"ILSVRC2012_val_00000001_{WNIDS[7]}.JPEG"
    source = open_source(write_parquet(tmp_path / "val.parquet", [(b"x", name, 8)], names=PEOPLE))
    with pytest.raises(DatasetError) as caught:
        find_labels(source, None)
    assert f"its name says {WNIDS[7]} (class 7), but its label is 8" in caught.value.message
