from __future__ import annotations

import itertools
import os

import pytest
from tests.archives import write_folder, write_tar
from tests.tfrecords import image_example
from tests.tfrecords import write_shard as write_records
from tests.unit.data.sources.test_parquet import ROWS, write_parquet
from tests.unit.data.sources.test_training_tar import tar_bytes
from tests.unit.data.sources.test_webdataset import write_shard

from resnet50_bench.data.sources import index, open_source
from resnet50_bench.data.sources.index import Opener, plan_index_folder
from resnet50_bench.errors import DatasetError

LONG_AGO = 1_000_000_000


def slow_clock():
    """Of a listing that takes longer than `SLOW_S`."""
    return itertools.count(0, 10).__next__


def make_old(path):
    """Set the time of change back, as of files that were not written a moment ago."""
    for item in (path, *path.rglob("*")):
        os.utime(item, (LONG_AGO, LONG_AGO))


def make_sources(root):
    write_tar(root / "plain" / "val.tar", {"a.jpg": b"1", "b.jpg": b"22"})
    write_tar(
        root / "train" / "train.tar", {"n01440764.tar": tar_bytes({"n01440764_1.JPEG": b"t"})}
    )
    write_records(root / "records" / "validation-00000-of-00002", image_example(b"x", 7, "x.JPEG"))
    write_shard(root / "wds" / "val-0.tar", {"a": (b"first", b"5"), "b": (b"second", b"x")})
    write_parquet(root / "hub" / "data" / "val-0.parquet", ROWS, names=["n01440764"])
    return {
        "tar": root / "plain" / "val.tar",
        "training tar": root / "train" / "train.tar",
        "tfrecord": root / "records",
        "webdataset": root / "wds",
        "parquet": root / "hub",
    }


@pytest.fixture
def sources(tmp_path):
    for name in ("plain", "train", "records", "wds", "hub/data"):
        (tmp_path / name).mkdir(parents=True)
    found = make_sources(tmp_path)
    make_old(tmp_path)
    return found


@pytest.fixture
def kept(tmp_path):
    return plan_index_folder(tmp_path / "cache" / "models")


def opener(kept):
    return Opener(kept, clock=slow_clock())


@pytest.fixture
def no_listing(monkeypatch):
    """From now on nothing can be listed."""

    def forbid():
        monkeypatch.setattr(index, "open_source", None)

    return forbid


KINDS = ["tar", "training tar", "tfrecord", "webdataset", "parquet"]


@pytest.mark.parametrize("kind", KINDS)
def test_a_list_that_took_long_is_kept_and_is_the_same(sources, kept, no_listing, kind):
    first = opener(kept).open(sources[kind])
    assert first.kind == kind
    no_listing()
    again = opener(kept).open(sources[kind])
    assert again == first
    assert again.kind == kind
    assert again.own_labels == first.own_labels
    assert again.fingerprint() == first.fingerprint()
    assert [again.read(ref) for ref in again.refs] == [first.read(ref) for ref in first.refs]


@pytest.mark.parametrize("kind", KINDS)
def test_a_change_of_time_alone_makes_it_stale(sources, kept, no_listing, kind):
    source = opener(kept).open(sources[kind])
    (container,) = source.containers
    os.utime(container, ns=(LONG_AGO, container.stat().st_mtime_ns + 1))
    no_listing()
    with pytest.raises(TypeError):  # it would be listed
        opener(kept).open(sources[kind])


def test_a_change_of_size_alone_makes_it_stale(sources, kept):
    path = sources["tar"]
    opener(kept).open(path)
    write_tar(path, {"c.jpg": b"x" * 30_000})
    os.utime(path, (LONG_AGO, LONG_AGO))
    assert [ref.name for ref in opener(kept).open(path).refs] == ["c.jpg"]


def test_a_shard_that_comes_or_goes_makes_it_stale(sources, kept):
    folder = sources["webdataset"]
    opener(kept).open(folder)
    write_shard(folder / "val-1.tar", {"c": (b"third", b"6")})
    os.utime(folder / "val-1.tar", (LONG_AGO, LONG_AGO))
    assert len(opener(kept).open(folder).refs) == 3
    (folder / "val-0.tar").unlink()
    assert len(opener(kept).open(folder).refs) == 1


def test_images_put_into_the_folder_of_a_repository_make_it_stale(sources, kept):
    opener(kept).open(sources["parquet"])
    (sources["parquet"] / "a.jpg").write_bytes(b"x")
    assert opener(kept).open(sources["parquet"]).kind == "folder"


def test_what_was_changed_while_it_was_listed_is_not_kept(sources, kept):
    path = sources["tar"]

    def change(images, share):
        os.utime(path)

    Opener(kept, change, slow_clock()).open(path)
    assert not kept.exists()


def test_what_is_quick_to_list_is_not_kept(sources, kept):
    assert len(Opener(kept).open(sources["tar"]).refs) == 2
    assert not kept.exists()


def test_a_folder_of_images_is_always_listed(tmp_path, kept):
    folder = write_folder(tmp_path / "photos", {"a.jpg": b"x"})
    make_old(folder)
    opener(kept).open(folder)
    assert not kept.exists()


def test_a_damaged_list_or_one_of_another_version_is_made_again(sources, kept, monkeypatch):
    path = sources["tar"]
    first = opener(kept).open(path)
    (file,) = kept.iterdir()
    whole = file.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"\xff" * 40):
        file.write_bytes(damaged)
        assert opener(kept).open(path) == first
        assert file.read_bytes() == whole
    monkeypatch.setattr(index, "_VERSION", 2)
    assert opener(kept).open(path) == first
    assert file.read_bytes() != whole


def test_where_nothing_can_be_kept_sources_open_all_the_same(sources, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    assert opener(tmp_path / "file" / "x").open(sources["tar"]) == open_source(sources["tar"])


def test_errors_are_those_of_listing(tmp_path, kept):
    with pytest.raises(DatasetError, match="does not exist"):
        opener(kept).open(tmp_path / "no")
