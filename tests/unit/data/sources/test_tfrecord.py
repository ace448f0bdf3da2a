from __future__ import annotations

import os

import msgspec
import pytest
from tests.tfrecords import (
    bytes_feature,
    chunk,
    example,
    frame,
    image_example,
    int_feature,
    varint,
    write_shard,
)

from resnet50_bench.data.sources import (
    ImageRef,
    Skipped,
    TFRecordSource,
    UnreadableImage,
    open_source,
    reopen,
)
from resnet50_bench.errors import DatasetError

ONE = "validation-00000-of-00001"


def listed(source):
    return [(ref.name, source.read(ref), ref.label) for ref in source.refs]


def open_one(folder, *examples):
    write_shard(folder / ONE, *examples)
    return open_source(folder)


def test_images_of_all_shards_are_read_in_place_with_their_labels(tmp_path):
    write_shard(
        tmp_path / "validation-00000-of-00002",
        image_example(b"second" * 500, 1000, "b.JPEG"),
        image_example(b"third", 7, "c.JPEG"),
    )
    write_shard(tmp_path / "validation-00001-of-00002", image_example(b"first", 1, "a.JPEG"))
    (tmp_path / "train-00000-of-00001").write_bytes(b"not looked at")
    (tmp_path / "other.JPEG").write_bytes(b"not looked at")
    source = open_source(tmp_path)
    assert isinstance(source, TFRecordSource)
    assert source.kind == "tfrecord"
    assert source.describe() == f"TFRecord shards {tmp_path}"
    assert source.skipped == ()
    assert listed(source) == [
        ("a.JPEG", b"first", 0),
        ("b.JPEG", b"second" * 500, 999),
        ("c.JPEG", b"third", 6),
    ]
    assert source.refs[0].shard == "validation-00001-of-00002"


def test_a_reopened_source_reads_from_refs_sent_as_json(tmp_path):
    source = open_one(tmp_path, image_example(b"one", 3, "a"), image_example(b"three", 4, "b"))
    sent = msgspec.json.encode(source.refs[1:])
    again = reopen(tmp_path, msgspec.json.decode(sent, type=tuple[ImageRef, ...]))
    assert again.kind == "tfrecord"
    assert listed(again) == [("b", b"three", 3)]


def test_a_name_missing_empty_undecodable_or_used_before_is_made_of_the_shard(tmp_path):
    nameless = [("image/class/label", int_feature(4)), ("image/encoded", bytes_feature(b"2"))]
    source = open_one(
        tmp_path,
        image_example(b"0", 2, "a"),
        image_example(b"1", 3, None),
        example([*nameless, ("image/filename", bytes_feature(b"\xff"))]),
        image_example(b"3", 5, ""),
        image_example(b"4", 6, "a"),
        image_example(b"5", 7, f"{ONE}#0"),
    )
    assert listed(source) == [
        ("a", b"0", 1),
        (f"{ONE}#1", b"1", 2),
        (f"{ONE}#2", b"2", 3),
        (f"{ONE}#3", b"3", 4),
        (f"{ONE}#4", b"4", 5),
        (f"{ONE}#5", b"5", 6),
    ]


def test_missing_shards_are_named(tmp_path):
    write_shard(tmp_path / "validation-00001-of-00003", image_example(b"x", 1, "a"))
    assert open_source(tmp_path).skipped == (
        Skipped("validation-00000-of-00003", "this shard is missing"),
        Skipped("validation-00002-of-00003", "this shard is missing"),
    )


def test_shards_of_two_sets_are_refused(tmp_path):
    for name in ("validation-00000-of-00001", "validation-00000-of-00002"):
        write_shard(tmp_path / name, image_example(b"x", 1, "a"))
    with pytest.raises(DatasetError) as caught:
        open_source(tmp_path)
    assert caught.value.message == (
        f"--dataset {tmp_path}: holds shards of several sets (1 of 00001, 1 of 00002), whose "
        "images may be the same"
    )


def test_a_shard_that_is_no_file_is_skipped_without_opening_it(tmp_path):
    write_shard(tmp_path / "validation-00000-of-00002", image_example(b"x", 1, "a"))
    os.mkfifo(tmp_path / "validation-00001-of-00002")
    assert open_source(tmp_path).skipped == (
        Skipped("validation-00001-of-00002", "not a regular file"),
    )


def test_a_broken_link_is_skipped_with_the_reason(tmp_path):
    write_shard(tmp_path / "validation-00000-of-00002", image_example(b"x", 1, "a"))
    (tmp_path / "validation-00001-of-00002").symlink_to("gone")
    (skipped,) = open_source(tmp_path).skipped
    assert skipped.reason == "cannot be read: No such file or directory"


@pytest.mark.parametrize(
    ("damage", "reason"),
    [
        (lambda first, data: data[: first + 5], "record 1 at byte {} is cut short"),
        (lambda first, data: data[:-1], "record 1 at byte {} is cut short"),
        (
            lambda first, data: data[:first] + b"\xff" + data[first + 1 :],
            "the length of record 1 at byte {} does not match its checksum",
        ),
        (
            lambda first, data: data[: first + 8] + b"\0\0\0\0" + data[first + 12 :],
            "the length of record 1 at byte {} does not match its checksum",
        ),
    ],
    ids=["cut in header", "cut in data", "length", "checksum"],
)
def test_broken_framing_ends_the_shard_and_is_told(tmp_path, damage, reason):
    records = [frame(image_example(data, 5, data.decode())) for data in (b"a", b"b", b"c")]
    first = len(records[0])
    last = records[2] if "checksum" in reason else b""
    (tmp_path / ONE).write_bytes(damage(first, records[0] + records[1] + last))
    source = open_source(tmp_path)
    assert listed(source) == [("a", b"a", 4)]
    assert source.skipped == (Skipped(ONE, f"{reason.format(first)}: what follows is not listed"),)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "has no image/encoded"),
        (image_example(b"x", 0), "its image/class/label 0 is not 1..1000"),
        (image_example(b"x", 1001), "its image/class/label 1001 is not 1..1000"),
        (image_example(b"x", -1), "its image/class/label -1 is not 1..1000"),
        (example([("image/class/label", int_feature(1))]), "has no image/encoded"),
        (example([("image/encoded", bytes_feature())]), "has no image/encoded"),
        (example([("image/encoded", int_feature(1))]), "has no image/encoded"),
        (b"\x0b", "is not an Example: it has a field of wire type 3"),
        (b"\x08\x01", "is not an Example: its field 1 has wire type 0"),
        (b"\x0a\x7f", "is not an Example: a field of it is longer than what holds it"),
        (b"\xff" * 12, "is not an Example: a number in it does not end"),
        (
            image_example(b"x" * 40)[:-20],
            "is not an Example: a field of it is longer than what holds it",
        ),
    ],
)
def test_a_record_that_is_no_labelled_image_is_skipped_alone(tmp_path, data, reason):
    source = open_one(tmp_path, image_example(b"a", 5, "a"), data, image_example(b"b", 6, "b"))
    assert listed(source) == [("a", b"a", 4), ("b", b"b", 5)]
    assert source.skipped == (Skipped(f"{ONE}#1", reason),)


def test_an_image_without_a_label_has_none(tmp_path):
    source = open_one(tmp_path, image_example(b"a", None, "a"))
    assert listed(source) == [("a", b"a", None)]


def test_other_ways_to_write_an_example_mean_the_same(tmp_path):
    image = ("image/encoded", bytes_feature(b"a" * 5000))
    unpacked = example([image, ("image/class/label", int_feature(300, packed=False))])
    reversed_entry = chunk(2, int_feature(300)) + chunk(1, b"image/class/label")
    odd = chunk(1, chunk(1, reversed_entry)) + example([image])  # features in two parts
    unknown = varint(9 << 3) + varint(5) + varint(10 << 3 | 5) + b"1234" + varint(11 << 3 | 1)
    last_counts = example([("image/class/label", int_feature(1)), image,
                           ("image/class/label", int_feature(300, 4))])  # fmt: skip
    source = open_one(tmp_path, unpacked, odd, unknown + b"12345678" + odd, last_counts)
    assert [(data, label) for _, data, label in listed(source)] == [(b"a" * 5000, 299)] * 4


def test_no_usable_record_is_an_error_that_names_the_first(tmp_path):
    (tmp_path / ONE).write_bytes(b"\x1f\x8b compressed shards are none")
    with pytest.raises(DatasetError, match=r"holds no image \(1 skipped, the first: validation-0"):
        open_source(tmp_path)


def test_a_shard_that_shrank_gives_no_short_data(tmp_path):
    source = open_one(tmp_path, image_example(b"a" * 100, 1, "a"))
    os.truncate(tmp_path / ONE, source.refs[0].offset + 40)
    with pytest.raises(UnreadableImage, match="a: only 40 of its 100 bytes are in the shard"):
        source.read(source.refs[0])


def test_a_ref_without_shard_is_refused(tmp_path):
    source = open_one(tmp_path, image_example(b"a", 1, "a"))
    with pytest.raises(UnreadableImage, match="has no shard"):
        source.read(ImageRef("a", 1, 0))
