from __future__ import annotations

from pathlib import Path

import pytest

from resnet50_bench.data.sources.shard_names import choose_set, expand_range, is_range
from resnet50_bench.errors import DatasetError


@pytest.mark.parametrize(
    ("pattern", "names"),
    [
        ("v-{08..11}.tar", ["v-08.tar", "v-09.tar", "v-10.tar", "v-11.tar"]),
        ("v-{8..10}.tar", ["v-8.tar", "v-9.tar", "v-10.tar"]),
        ("v{0..1}-{00..01}.tar", ["v0-00.tar", "v0-01.tar", "v1-00.tar", "v1-01.tar"]),
        ("v-{3..3}.tar", ["v-3.tar"]),
    ],
)
def test_a_range_stands_for_its_files_as_in_a_shell(tmp_path, pattern, names):
    for name in names:
        (tmp_path / name).write_bytes(b"")
    assert is_range(tmp_path / pattern)
    assert list(expand_range(tmp_path / pattern)) == names


@pytest.mark.parametrize("name", ["v.tar", "v-{a..b}.tar", "v-{1}.tar", "v-{1..}.tar"])
def test_other_braces_are_no_range(name):
    assert not is_range(Path(name))


def test_files_of_a_range_that_are_not_there_are_counted_and_named(tmp_path):
    (tmp_path / "v-1.tar").write_bytes(b"")
    (tmp_path / "v-2.tar").mkdir()
    with pytest.raises(DatasetError, match=r"2 of its 3 files are not in .*, the first: v-0\.tar"):
        expand_range(tmp_path / "v-{0..2}.tar")


@pytest.mark.parametrize(
    "pattern", ["v-{2..1}.tar", "v-{0..999999999}.tar", "{0..9999}{0..9999}.tar"]
)
def test_ranges_backwards_or_without_bounds_are_refused_before_they_are_written_out(pattern):
    with pytest.raises(DatasetError, match="its range stands for no file, or for more than"):
        expand_range(Path(pattern))


@pytest.mark.parametrize(
    ("names", "chosen"),
    [
        (["b-1.tar", "b-0.tar"], ("b-0.tar", "b-1.tar")),
        (["train-0.tar", "imagenet1k-validation-00.tar"], ("imagenet1k-validation-00.tar",)),
        (["0001.tar", "0002.tar"], ("0001.tar", "0002.tar")),
        (["test-00000-of-00002.x", "val-00000-of-00001.x"], ("val-00000-of-00001.x",)),
    ],
)
def test_the_only_set_or_the_validation_set_is_chosen(names, chosen):
    assert choose_set(Path("f"), names) == chosen


@pytest.mark.parametrize("names", [["a-0.tar", "b-0.tar"], ["val-0.tar", "val2x-0.tar"]])
def test_several_sets_are_refused_with_a_range_to_name_one(names):
    with pytest.raises(DatasetError, match="holds the shards of several sets: 1 of ") as caught:
        choose_set(Path("f"), names)
    assert "--dataset 'f/val-{000000..000063}.tar'" in caught.value.advice
