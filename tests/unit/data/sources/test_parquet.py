from __future__ import annotations

import json
import sys
import threading

import msgspec
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from resnet50_bench.data.labels.find import find_labels
from resnet50_bench.data.sources import (
    ImageRef,
    ParquetSource,
    Skipped,
    UnreadableImage,
    open_source,
    parquet,
    reopen,
)
from resnet50_bench.errors import DatasetError

IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])


def write_parquet(path, rows, names=None, rows_in_group=2):
    """Write rows of bytes, path and label as the hub's library does."""
    table = pa.table(
        {
            "image": pa.array([{"bytes": data, "path": name} for data, name, _ in rows], IMAGE),
            "label": pa.array([label for _, _, label in rows], pa.int64()),
        }
    )
    if names is not None:
        features = {"image": {"_type": "Image"}, "label": {"names": names, "_type": "ClassLabel"}}
        hub = json.dumps({"info": {"features": features}})
        table = table.replace_schema_metadata({"huggingface": hub})
    path.parent.mkdir(exist_ok=True)
    pq.write_table(table, path, row_group_size=rows_in_group)
    return path


ROWS = [
    (b"second" * 99, "b.JPEG", 0),
    (b"first", "a.JPEG", 999),
    (b"third", "val/c.JPEG", 7),
    (b"", "d.JPEG", 7),
    (b"fifth", "e.JPEG", 1),
]


@pytest.fixture
def hub(tmp_path):
    """A clone of a data set's repository."""
    data = tmp_path / "data"
    write_parquet(data / "validation-00000-of-00002.parquet", ROWS[:3])
    write_parquet(data / "validation-00001-of-00002.parquet", ROWS[3:])
    write_parquet(data / "train-00000-of-00001.parquet", [(b"training", "t.JPEG", 1)])
    write_parquet(data / "test-00000-of-00001.parquet", [(b"testing", "u.JPEG", -1)])
    (tmp_path / "README.md").write_text("no")
    return tmp_path


def listed(source):
    return [(source.read(ref), ref.name, ref.label) for ref in source.refs]


def test_the_validation_files_of_a_repository_are_read_in_the_order_of_their_rows(hub):
    source = open_source(hub)
    assert source.kind == "parquet"
    assert source.describe() == f"Parquet shards {hub}"
    assert listed(source) == ROWS
    assert source.refs[3] == ImageRef(
        "d.JPEG", None, None, "data/validation-00001-of-00002.parquet", 7, 0
    )
    assert [path.name for path in source.containers] == [
        "validation-00000-of-00002.parquet", "validation-00001-of-00002.parquet",
    ]  # fmt: skip
    found = find_labels(source, None)
    assert found.labels == (0, 999, 7, 7, 1)
    assert found.origin == "column label of the Parquet shards"


def test_one_file_and_a_range_are_read_and_reopened_from_json(hub):
    for name in ("validation-00001-of-00002.parquet", "validation-{00001..00001}-of-00002.parquet"):
        path = hub / "data" / name
        source = open_source(path)
        assert listed(source) == ROWS[3:]
        assert source.skipped == ()
        sent = msgspec.json.encode(source.refs[1:])
        again = reopen(path, msgspec.json.decode(sent, type=tuple[ImageRef, ...]))
        assert isinstance(again, ParquetSource)
        assert listed(again) == ROWS[4:]


def test_a_file_missing_by_the_numbering_is_named(hub):
    (hub / "data" / "validation-00001-of-00002.parquet").unlink()
    assert open_source(hub).skipped == (
        Skipped("data/validation-00001-of-00002.parquet", "this shard is missing"),
    )


def test_images_are_read_row_group_by_row_group_and_each_once_in_order(tmp_path, monkeypatch):
    path = write_parquet(tmp_path / "x.parquet", ROWS)
    source = open_source(path)
    asked = []
    real = pq.ParquetFile.read_row_group

    def read_row_group(self, group, **options):
        asked.append((group, options["columns"]))
        return real(self, group, **options)

    monkeypatch.setattr(pq.ParquetFile, "read_row_group", read_row_group)
    assert listed(source) == ROWS
    assert asked == [(group, ["image.bytes"]) for group in (0, 1, 2)]
    assert source.read(source.refs[0]) == ROWS[0][0]
    assert len(asked) == 3  # small ones are kept


def test_row_groups_read_long_ago_are_given_up_when_they_are_large(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "_KEPT_BYTES", 0)
    source = open_source(write_parquet(tmp_path / "x.parquet", ROWS))
    for ref, row in zip(source.refs, ROWS):
        assert source.read(ref) == row[0]
        assert len(source._groups._kept) == 1


def test_several_threads_read_what_one_does(tmp_path):
    rows = [(b"%d" % number * 50, f"{number}.jpg", number) for number in range(60)]
    source = open_source(write_parquet(tmp_path / "x.parquet", rows, rows_in_group=7))
    found = {}

    def read(part):
        found.update({ref.name: source.read(ref) for ref in source.refs[part::4]})

    threads = [threading.Thread(target=read, args=(part,)) for part in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == {name: data for data, name, _ in rows}


def test_listing_reads_no_image(tmp_path, monkeypatch):
    path = write_parquet(tmp_path / "x.parquet", ROWS)
    monkeypatch.setattr(parquet.RowGroups, "read", None)
    assert [ref.row for ref in open_source(path).refs] == [0, 1, 2, 3, 4]


def test_names_missing_repeated_or_odd_are_made_of_file_and_row(tmp_path):
    rows = [
        (b"0", "/home/me/a.jpg", 0), (b"1", None, 0), (b"2", "../x/./a.jpg", 0),
        (b"3", "home/me/a.jpg", 0), (b"4", "x.parquet#1", 0), (b"5", "", 0),
    ]  # fmt: skip
    source = open_source(write_parquet(tmp_path / "x.parquet", rows))
    assert [ref.name for ref in source.refs] == [
        "home/me/a.jpg", "x.parquet#1", "x/a.jpg", "x.parquet#3", "x.parquet#4", "x.parquet#5",
    ]  # fmt: skip


def test_no_label_and_no_column_of_labels_or_paths(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", [(b"x", "a.jpg", -1), (b"y", "b.jpg", None)])
    assert [ref.label for ref in open_source(path).refs] == [None, None]
    images = pa.array([{"bytes": b"x"}], pa.struct([("bytes", pa.large_binary())]))
    pq.write_table(pa.table({"image": images}), path)
    assert listed(open_source(path)) == [(b"x", "x.parquet#0", None)]


def test_an_image_that_is_kept_elsewhere_is_unreadable(tmp_path):
    source = open_source(write_parquet(tmp_path / "x.parquet", [(None, "a.jpg", 1)]))
    with pytest.raises(UnreadableImage, match="its bytes are null"):
        source.read(source.refs[0])


def test_a_file_that_changed_after_it_was_listed_is_unreadable_and_no_crash(tmp_path):
    path = write_parquet(tmp_path / "x.parquet", ROWS)
    refs = open_source(path).refs
    write_parquet(path, ROWS[:1])
    again = reopen(path, refs)
    assert again.read(refs[0]) == ROWS[0][0]
    with pytest.raises(UnreadableImage, match=r"a\.JPEG: cannot be read from x\.parquet"):
        again.read(refs[1])
    path.write_bytes(b"PAR1")
    with pytest.raises(UnreadableImage, match=r"b\.JPEG: cannot be read from x\.parquet"):
        reopen(path, refs).read(refs[0])
    path.unlink()
    with pytest.raises(UnreadableImage, match="No such file"):
        reopen(path, refs).read(refs[0])


@pytest.mark.parametrize(
    ("data", "message", "advice"),
    [
        (b"version https://git-lfs.github.com/spec/v1\n", "is a Git LFS pointer", "git lfs pull"),
        (b"PAR1 cut", "is no Parquet file: ", "fetch it again"),
        (b"", "is no Parquet file: ", "fetch it again"),
    ],
)
def test_what_is_no_parquet_is_said(tmp_path, data, message, advice):
    (tmp_path / "x.parquet").write_bytes(data)
    with pytest.raises(DatasetError) as caught:
        open_source(tmp_path)
    assert caught.value.message.startswith(f"--dataset {tmp_path}: x.parquet: {message}")
    assert advice in caught.value.advice


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": ["a.jpg"], "label": [1]}, "has no column image with bytes, but image: string"),
        ({"text": ["a"]}, "has no column image with bytes, but text: string"),
        (
            {"image": pa.array([{"bytes": b"x", "path": "a"}], IMAGE), "label": ["tench"]},
            "its column label is string, not a whole number",
        ),
    ],
)
def test_other_columns_are_refused(tmp_path, columns, message):
    path = tmp_path / "x.parquet"
    pq.write_table(pa.table(columns), path)
    with pytest.raises(DatasetError) as caught:
        open_source(path)
    assert caught.value.message.startswith(f"--dataset {path}: x.parquet: {message}")
    assert "struct of bytes and path" in caught.value.advice


def test_a_row_group_too_large_for_memory_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(parquet, "MAX_GROUP_BYTES", 100)
    path = write_parquet(tmp_path / "x.parquet", ROWS)
    with pytest.raises(DatasetError, match=r"row group 0: holds 0\.0 GB of images") as caught:
        open_source(path)
    assert "row_group_size" in caught.value.advice


def test_files_that_name_different_classes_are_refused(tmp_path):
    write_parquet(tmp_path / "val-0.parquet", ROWS[:1], names=["a", "b"])
    write_parquet(tmp_path / "val-1.parquet", ROWS[:1], names=["b", "a"])
    with pytest.raises(DatasetError, match=r"val-0\.parquet and val-1\.parquet name different"):
        open_source(tmp_path)


def test_without_pyarrow_the_command_that_brings_it_is_told(hub, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(DatasetError) as caught:
        open_source(hub)
    assert caught.value.message.endswith("read by pyarrow, which is not installed")
    assert "pip install 'resnet50-bench[parquet]'" in caught.value.advice
