from __future__ import annotations

import dataclasses
import io
import tarfile

import cv2
import msgspec
import numpy as np
import pytest

from resnet50_bench.data.dummy import make_dummy_pool
from resnet50_bench.data.feed import (
    Feed,
    FeedReport,
    RealFeedRequest,
    make_dummy_feed,
    make_real_feed,
    plan_pool_images,
    plan_shards,
)
from resnet50_bench.data.preprocess import preprocess
from resnet50_bench.data.profiles import IMAGE_BYTES, MLPERF
from resnet50_bench.data.sources import ImageRef, Skipped, open_source
from resnet50_bench.errors import DatasetError


def png(seed: int) -> bytes:
    rgb = np.random.default_rng(seed).integers(0, 256, (256, 256, 3), dtype=np.uint8)
    return cv2.imencode(".png", rgb)[1].tobytes()


@pytest.fixture(scope="module")
def files():
    return {f"{k}.png": png(k) for k in range(7)}


@pytest.fixture
def folder(tmp_path, files):
    for name, data in files.items():
        (tmp_path / name).write_bytes(data)
    return tmp_path


def request_for(path, **changes) -> RealFeedRequest:
    request = RealFeedRequest(
        path=str(path),
        refs=open_source(path).refs,
        batch_size=3,
        profile="mlperf",
        threads=2,
        max_pool_bytes=100 * IMAGE_BYTES,
    )
    return dataclasses.replace(request, **changes)


class TestShards:
    refs = tuple(ImageRef(f"{k}", 1, None) for k in range(7))

    def names(self, instances):
        return ["".join(ref.name for ref in shard) for shard in plan_shards(self.refs, instances)]

    def test_every_nth(self):
        assert self.names(1) == ["0123456"]
        assert self.names(3) == ["036", "14", "25"]
        assert self.names(7) == list("0123456")

    def test_fewer_images_than_instances_are_shared(self):
        assert self.names(8) == ["0123456"] * 8


class TestFeed:
    def test_batches_come_round_again_without_copying(self):
        batches = tuple(np.full((1, 224, 224, 3), k, np.float32) for k in range(3))
        report = FeedReport(kind="dummy", images=3, batches=3, batch_size=1, source="test")
        feed = Feed(batches, report)
        assert [feed.batch(k) is batches[k % 3] for k in range(8)] == [True] * 8
        assert feed.batch(3_000_001) is batches[1]


class TestDummyFeed:
    def test_report_and_pool(self):
        feed = make_dummy_feed(batch_size=32, seed=9, instance=1)
        assert feed.report == FeedReport(
            kind="dummy",
            images=128,
            batches=4,
            batch_size=32,
            source="generated images, seed 9, instance 1",
        )
        assert len(feed.batches) == 4
        assert feed.report.decode_ns is None
        assert feed.report.decoding_in_window is False
        assert np.array_equal(feed.batch(4), make_dummy_pool(32, 1, (9, 1))[0])

    def test_instances_get_different_images(self):
        first = make_dummy_pool(1, 1, (9, 0))[0]
        second = make_dummy_pool(1, 1, (9, 1))[0]
        assert not np.array_equal(first, second)


class TestRealFeed:
    def test_the_last_batch_begins_again_with_the_first_images(self, folder, files):
        feed = make_real_feed(request_for(folder))
        expected = [preprocess(data, MLPERF) for data in files.values()]
        order = [[0, 1, 2], [3, 4, 5], [6, 0, 1]]
        assert len(feed.batches) == 3
        for index, numbers in enumerate(order):
            batch = feed.batch(index)
            assert batch.shape == (3, 224, 224, 3)
            assert batch.dtype == np.float32
            assert batch.flags.c_contiguous
            assert np.array_equal(batch, np.stack([expected[k] for k in numbers]))
        assert feed.batch(5) is feed.batch(2)

    def test_report(self, folder):
        report = make_real_feed(request_for(folder)).report
        assert isinstance(report.decode_ns, int)
        assert report.decode_ns > 0
        assert report == FeedReport(
            kind="real",
            images=7,
            batches=3,
            batch_size=3,
            source=f"folder {folder}",
            profile="mlperf",
            decode_ns=report.decode_ns,
        )

    def test_a_tar_gives_the_same_batches(self, folder, files, tmp_path):
        path = tmp_path / "x.tar"
        with tarfile.open(path, "w") as archive:
            for name, data in reversed(files.items()):
                member = tarfile.TarInfo(name)
                member.size = len(data)
                archive.addfile(member, io.BytesIO(data))
        from_tar, from_folder = (
            make_real_feed(request_for(path)),
            make_real_feed(request_for(folder)),
        )
        assert all(
            np.array_equal(a, b) for a, b in zip(from_tar.batches, from_folder.batches, strict=True)
        )
        assert from_tar.report.source == f"tar {path}"

    def test_unusable_images_are_skipped_and_their_places_taken(self, folder, files):
        (folder / "1.png").write_bytes(b"")
        (folder / "4.png").write_bytes(files["4.png"][:-40])
        feed = make_real_feed(request_for(folder))
        assert feed.report.images == 5
        assert feed.report.batches == 2
        assert feed.report.not_loaded == 0
        assert feed.report.skipped == (
            Skipped("1.png", "is empty"),
            Skipped("4.png", "is cut short: its end marker is missing"),
        )
        numbers = [0, 2, 3, 5, 6, 0]
        expected = np.stack([preprocess(files[f"{k}.png"], MLPERF) for k in numbers])
        assert np.array_equal(np.concatenate(feed.batches), expected)

    def test_a_full_pool_leaves_images_out_and_says_so(self, folder, files):
        (folder / "1.png").write_bytes(b"garbage")
        feed = make_real_feed(request_for(folder, max_pool_bytes=5 * IMAGE_BYTES))
        assert feed.report.images == 3
        assert feed.report.batches == 1
        assert feed.report.skipped == (Skipped("1.png", "begins like no known image"),)
        assert feed.report.not_loaded == 3
        assert feed.report.notes == (
            (
                "3 images not loaded: pool limited to 3 images by its bound of 2 MiB "
                "(--limit 3 asks for no more)"
            ),
        )
        expected = np.stack([preprocess(files[f"{k}.png"], MLPERF) for k in (0, 2, 3)])
        assert np.array_equal(feed.batch(0), expected)

    def test_fewer_images_than_a_batch_are_repeated_and_noted(self, folder):
        request = request_for(folder, batch_size=16, max_pool_bytes=1)
        feed = make_real_feed(request)
        assert len(feed.batches) == 1
        assert feed.report.notes == ("batches of 16 are filled by repeating 7 distinct images",)
        batch = feed.batch(0)
        assert np.array_equal(batch[7:14], batch[:7])
        assert np.array_equal(batch[14:], batch[:2])

    def test_no_usable_image_is_an_error_with_the_first_reasons(self, tmp_path):
        for name in "abcd":
            (tmp_path / f"{name}.jpg").write_bytes(b"")
        with pytest.raises(DatasetError) as caught:
            make_real_feed(request_for(tmp_path))
        assert caught.value.message == (
            f"--dataset: none of 4 images of the folder {tmp_path} can be used: "
            "a.jpg: is empty; b.jpg: is empty; c.jpg: is empty"
        )
        assert "--dataset" in caught.value.advice

    def test_a_shard_is_loaded_from_refs_alone(self, folder, files):
        shard = plan_shards(open_source(folder).refs, 2)[1]
        feed = make_real_feed(request_for(folder, refs=shard))
        assert feed.report.images == 3
        expected = np.stack([preprocess(files[f"{k}.png"], MLPERF) for k in (1, 3, 5)])
        assert np.array_equal(feed.batch(0), expected)


@pytest.mark.parametrize(
    ("batch_size", "bound", "images"),
    [(1, IMAGE_BYTES, 1), (1, 2 * IMAGE_BYTES - 1, 1), (4, 11 * IMAGE_BYTES, 8), (8, 1, 8)],
)
def test_pool_images_are_whole_batches_and_at_least_one(batch_size, bound, images):
    assert plan_pool_images(batch_size, bound) == images


def test_request_and_report_travel_as_json(folder):
    request = request_for(folder)
    sent = msgspec.json.encode(request)
    assert msgspec.json.decode(sent, type=RealFeedRequest) == request
    (folder / "0.png").write_bytes(b"")
    report = make_real_feed(request).report
    assert msgspec.json.decode(msgspec.json.encode(report), type=FeedReport) == report
