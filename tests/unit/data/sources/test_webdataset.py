from __future__ import annotations

import msgspec
import pytest
from tests.archives import write_tar

from resnet50_bench.data.labels.find import find_labels
from resnet50_bench.data.sources import ImageRef, Skipped, open_source, reopen
from resnet50_bench.data.sources.webdataset import find_key
from resnet50_bench.errors import DatasetError


def write_shard(path, samples: dict[str, tuple[bytes, bytes]]):
    """Write a tar of `key.jpg`, `key.json` and `key.cls`."""
    members = {}
    for key, (image, label) in samples.items():
        members |= {f"{key}.jpg": image, f"{key}.json": b"{}", f"{key}.cls": label}
    return write_tar(path, members)


@pytest.fixture
def folder(tmp_path):
    write_shard(tmp_path / "val-000000.tar", {"b": (b"second" * 99, b"0"), "a": (b"first", b"999")})
    write_shard(tmp_path / "val-000001.tar", {"c": (b"third", b" 7\n")})
    write_shard(tmp_path / "train-000000.tar", {"t": (b"training", b"1")})
    (tmp_path / "index.txt").write_bytes(b"no")
    return tmp_path


def listed(source):
    return [(ref.name, source.read(ref), ref.label) for ref in source.refs]


EXPECTED = [("a.jpg", b"first", 999), ("b.jpg", b"second" * 99, 0), ("c.jpg", b"third", 7)]


def test_a_folder_gives_the_validation_shards_with_their_classes(folder):
    source = open_source(folder)
    assert source.kind == "webdataset"
    assert source.describe() == f"WebDataset shards {folder}"
    assert listed(source) == EXPECTED
    assert find_labels(source, None).labels == (999, 0, 7)
    assert find_labels(source, None).origin == ".cls files of the WebDataset"


def test_a_range_of_shards_is_read_from_their_folder(folder):
    path = folder / "val-{000000..000001}.tar"
    source = open_source(path)
    assert listed(source) == EXPECTED
    assert [shard.name for shard in source.containers] == ["val-000000.tar", "val-000001.tar"]
    sent = msgspec.json.encode(source.refs[2:])
    again = reopen(path, msgspec.json.decode(sent, type=tuple[ImageRef, ...]))
    assert again.kind == "webdataset"
    assert listed(again) == EXPECTED[2:]


def test_one_shard_is_read_as_a_shard(folder):
    path = folder / "val-000001.tar"
    source = open_source(path)
    assert source.kind == "webdataset"
    assert listed(source) == EXPECTED[2:]
    assert listed(reopen(path, source.refs)) == EXPECTED[2:]


def test_the_fingerprint_is_the_shards_not_the_way_they_are_named(folder):
    by_range = open_source(folder / "val-{000000..000001}.tar").fingerprint()
    assert open_source(folder).fingerprint() == by_range
    write_shard(folder / "val-000001.tar", {"c": (b"THIRD!", b"7")})
    assert open_source(folder).fingerprint() != by_range


def test_keys_that_every_shard_counts_anew_are_told_apart_by_the_shard(tmp_path):
    for number in (0, 1):
        write_shard(tmp_path / f"val-{number}.tar", {"000000": (b"%d" % number, b"%d" % number)})
    assert listed(open_source(tmp_path)) == [
        ("000000.jpg", b"0", 0),
        ("val-1.tar/000000.jpg", b"1", 1),
    ]


def test_a_shard_without_classes_that_is_named_is_read_without_labels(tmp_path):
    write_tar(tmp_path / "val-0.tar", {"a.jpg": b"x"})
    source = open_source(tmp_path / "val-{0..0}.tar")
    assert listed(source) == [("a.jpg", b"x", None)]
    with pytest.raises(DatasetError, match="holds no image"):
        open_source(tmp_path)  # plain tars are named one by one


def test_what_is_no_class_is_named_and_its_image_has_none(tmp_path):
    write_shard(tmp_path / "val-0.tar", {"a": (b"x", b"tench"), "b": (b"y", b"1")})
    source = open_source(tmp_path)
    assert listed(source) == [("a.jpg", b"x", None), ("b.jpg", b"y", 1)]
    assert source.skipped == (Skipped("a.cls", "holds no number of a class: b'tench'"),)
    with pytest.raises(
        DatasetError, match=r"1 of 2 images have no label of their own there.*a\.jpg"
    ):
        find_labels(source, None)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        ((b"1", b"1000"), "has class 1000 and no class 0: its classes are counted from 1"),
        ((b"0", b"1000"), "image b.jpg: class 1000 is not 0..999"),
    ],
)
def test_classes_that_are_not_counted_from_0_are_refused(tmp_path, classes, message):
    path = tmp_path / "val-0.tar"
    write_shard(path, {"a": (b"x", classes[0]), "b": (b"y", classes[1])})
    with pytest.raises(DatasetError) as caught:
        find_labels(open_source(path), None)
    assert caught.value.message.startswith(f"--dataset {path}: {message}")


@pytest.mark.parametrize(
    ("name", "key"), [("a/b.c/k.left.jpg", "a/b.c/k"), ("k.cls", "k"), ("k", "k"), ("x/.jpg", "x/")]
)
def test_the_key_ends_at_the_first_point_of_the_last_part(name, key):
    assert find_key(name) == key
