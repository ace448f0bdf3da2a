from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tarfile
import threading
from types import SimpleNamespace

import msgspec
import numpy as np
import pytest
from tests.images import encode, smooth

from resnet50_bench.data.crops import writer as crop_writer
from resnet50_bench.data.crops.store import (
    CROP_BYTES,
    MANIFEST_FILE,
    PIXELS_FILE,
    find_crops,
    open_crops,
    plan_crops_folder,
)
from resnet50_bench.data.crops.writer import CropsRequest, count_done, write_crops
from resnet50_bench.data.preprocess import preprocess
from resnet50_bench.data.profiles import MLPERF, PROFILES, TENSORFLOW, TORCHVISION, find_profile
from resnet50_bench.data.sources import UnreadableImage, open_source
from resnet50_bench.errors import DatasetError, RequestError

COUNT = 12
BROKEN = 5


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    folder.mkdir()
    for number in range(COUNT):
        data = encode(smooth(number, 230 + number, 300), ".jpg")
        (folder / f"{number:02}.jpg").write_bytes(data[:-40] if number == BROKEN else data)
    return folder


@pytest.fixture
def source(photos):
    return open_source(photos)


@pytest.fixture
def make(tmp_path, source):
    def make(profile=MLPERF, source=source, show=lambda *_: None, threads=2):
        return write_crops(request(tmp_path, source, profile, threads), show)

    return make


def request(tmp_path, source, profile=MLPERF, threads=2):
    folder = tmp_path / "crops"
    return CropsRequest(source=source, profile=profile, folder=folder, threads=threads)


def assert_equal_to_preprocessing(reader, source, profile):
    assert len(reader) == len(source.refs)
    for index, ref in enumerate(source.refs):
        out = np.full((224, 224, 3), 7, np.float32)
        try:
            expected = preprocess(source.read(ref), profile, ref.name)
        except UnreadableImage as unreadable:
            with pytest.raises(UnreadableImage) as caught:
                reader.load_into(index, out)
            assert (caught.value.name, caught.value.reason) == (unreadable.name, unreadable.reason)
            assert (out == 7).all()
        else:
            reader.load_into(index, out)
            assert np.array_equal(out, expected)


class TestReading:
    @pytest.mark.parametrize("profile", [MLPERF, TORCHVISION], ids=lambda item: item.name)
    def test_every_image_is_what_preprocessing_gives(self, make, source, profile):
        crops = make(profile)
        assert crops.manifest.images == COUNT
        assert [item.index for item in crops.manifest.unreadable] == [BROKEN]
        assert (crops.path / PIXELS_FILE).stat().st_size == COUNT * CROP_BYTES
        assert_equal_to_preprocessing(open_crops(crops.path), source, profile)

    @pytest.mark.parametrize("name", ["mlperf/bgr", "mlperf/unit", "mlperf/standardised"])
    def test_a_variant_of_values_reads_its_profiles_crops(self, make, source, tmp_path, name):
        make()
        crops = find_crops(tmp_path / "crops", source, name)
        assert crops is not None
        assert_equal_to_preprocessing(open_crops(crops.path, name), source, find_profile(name))

    def test_a_variant_of_pixels_does_not(self, make, source, tmp_path):
        crops = make()
        for name in ("mlperf/squash", "mlperf/bilinear", "torchvision", "tensorflow"):
            assert find_crops(tmp_path / "crops", source, name) is None
            with pytest.raises(DatasetError, match=f"holds crops of mlperf, not {name}"):
                open_crops(crops.path, name)

    @pytest.mark.parametrize("index", [-1, COUNT])
    def test_an_image_that_is_not_there(self, make, index):
        with pytest.raises(IndexError):
            open_crops(make().path).load_into(index, np.empty((224, 224, 3), np.float32))

    def test_crops_cannot_be_written_to(self, make):
        pixels = open_crops(make().path)._pixels
        with pytest.raises(ValueError, match="read-only"):
            pixels[0] = 0

    def test_several_threads(self, make, source):
        reader = open_crops(make().path)
        expected = {
            index: preprocess(source.read(ref), MLPERF)
            for index, ref in enumerate(source.refs)
            if index != BROKEN
        }
        wrong = []

        def check():
            out = np.empty((224, 224, 3), np.float32)
            for index, image in expected.items():
                reader.load_into(index, out)
                if not np.array_equal(out, image):
                    wrong.append(index)

        threads = [threading.Thread(target=check) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert wrong == []


class TestFinding:
    def test_nothing_is_found_before_and_the_crops_afterwards(self, make, source, tmp_path):
        folder = tmp_path / "crops"
        assert find_crops(folder, source, "mlperf") is None
        made = make()
        assert find_crops(folder, source, "mlperf") == made
        assert find_crops(folder, open_source(source.path), "mlperf") == made

    def test_a_changed_image_is_another_source(self, make, source, photos, tmp_path):
        make()
        path = photos / "03.jpg"
        status = path.stat()
        path.write_bytes(path.read_bytes())
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        assert find_crops(tmp_path / "crops", open_source(photos), "mlperf") is None

    def test_a_part_of_the_source_is_another_source(self, make, source, photos, tmp_path):
        make()
        (photos / "11.jpg").unlink()
        assert find_crops(tmp_path / "crops", open_source(photos), "mlperf") is None

    def test_a_tar_and_its_time_of_change(self, photos, tmp_path):
        path = tmp_path / "photos.tar"
        with tarfile.open(path, "w") as archive:
            archive.add(photos, "photos")
        before = open_source(path).fingerprint()
        assert open_source(path).fingerprint() == before
        os.utime(path, ns=(0, path.stat().st_mtime_ns + 1))
        assert open_source(path).fingerprint() != before

    def test_another_version_of_the_preprocessing(self, make, source, tmp_path, monkeypatch):
        make()
        monkeypatch.setattr("resnet50_bench.data.crops.store.PREPROCESSING_VERSION", 999)
        assert find_crops(tmp_path / "crops", source, "mlperf") is None

    @pytest.mark.parametrize("harm", ["short", "no-manifest", "bad-manifest", "no-pixels"])
    def test_damage_is_an_error_that_says_what_to_do(self, make, source, tmp_path, harm):
        path = make().path
        if harm == "short":
            os.truncate(path / PIXELS_FILE, CROP_BYTES)
        elif harm == "no-manifest":
            (path / MANIFEST_FILE).unlink()
        elif harm == "bad-manifest":
            (path / MANIFEST_FILE).write_text('{"images": 12')
        else:
            (path / PIXELS_FILE).unlink()
        for call in (
            lambda: find_crops(tmp_path / "crops", source, "mlperf"),
            lambda: open_crops(path),
        ):
            with pytest.raises(DatasetError, match="are damaged") as caught:
                call()
            assert str(path) in caught.value.message
            assert caught.value.advice.startswith("delete that folder")

    def test_the_parent_finds_crops_without_numpy(self, make, source, photos, tmp_path):
        make()
        code = (
            "import sys\nfrom pathlib import Path\n"
            "from resnet50_bench.data.crops.store import find_crops\n"
            "from resnet50_bench.data.sources import open_source\n"
            f"found = find_crops(Path({str(tmp_path / 'crops')!r}), "
            f"open_source(Path({str(photos)!r})), 'mlperf')\n"
            "print(found.manifest.images, 'numpy' in sys.modules, 'cv2' in sys.modules)"
        )
        done = subprocess.run(
            [sys.executable, "-c", code], check=True, capture_output=True, text=True
        )
        assert done.stdout.split() == [str(COUNT), "False", "False"]

    def test_crops_lie_beside_the_models(self, tmp_path):
        assert plan_crops_folder(tmp_path / "models") == tmp_path / "crops"


class TestWriting:
    def test_a_second_time_nothing_is_read(self, make):
        shown = []
        first = make(show=lambda *values: shown.append(values))
        assert [values[:2] for values in shown] == [(k + 1, COUNT) for k in range(COUNT)]
        assert make(show=lambda *_: pytest.fail("it was there")) == first

    def test_only_the_crops_and_their_manifest_are_left(self, make, tmp_path):
        crops = make()
        assert list((tmp_path / "crops").iterdir()) == [crops.path]
        assert sorted(item.name for item in crops.path.iterdir()) == [MANIFEST_FILE, PIXELS_FILE]

    def test_a_profile_with_fractions_is_refused(self, make, tmp_path):
        with pytest.raises(RequestError, match="its resize gives fractions"):
            make(TENSORFLOW)
        assert not (tmp_path / "crops").exists()
        assert [item.is_uint8_exact for item in PROFILES.values()].count(False) == 1

    @pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError])
    def test_an_interrupted_attempt_is_gone_on_with(self, make, source, tmp_path, error):
        def interrupt(done, total, rate):
            if done == 7:
                raise error

        with pytest.raises(error):
            make(show=interrupt)
        assert count_done(request(tmp_path, source)) == 7
        shown = []
        crops = make(show=lambda done, *_: shown.append(done))
        assert shown == list(range(8, COUNT + 1))
        assert [item.index for item in crops.manifest.unreadable] == [BROKEN]
        assert_equal_to_preprocessing(open_crops(crops.path), source, MLPERF)

    @pytest.mark.parametrize("harm", ["half a crop", "crops missing", "no count", "entry ahead"])
    def test_whatever_a_killed_process_leaves_behind(self, make, source, tmp_path, harm):
        """Only the count is believed, and only as far as the crops are there."""

        def interrupt(done, total, rate):
            if done == 5:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            make(show=interrupt)
        (partial,) = (tmp_path / "crops").iterdir()
        pixels, progress = partial / PIXELS_FILE, partial / crop_writer.PROGRESS_FILE
        if harm == "half a crop":
            with pixels.open("ab") as file:
                file.write(b"x" * (CROP_BYTES + CROP_BYTES // 2))
        elif harm == "crops missing":
            os.truncate(pixels, 3 * CROP_BYTES)
        elif harm == "no count":
            progress.unlink()
        else:
            found = msgspec.json.decode(progress.read_bytes())
            found["unreadable"].append({"index": 5, "name": "05.jpg", "reason": "early"})
            progress.write_bytes(msgspec.json.encode(found))
        crops = make()
        assert [item.reason for item in crops.manifest.unreadable] == [
            "is cut short: its end marker is missing"
        ]
        assert_equal_to_preprocessing(open_crops(crops.path), source, MLPERF)

    def test_too_small_a_disk_is_found_before_anything_is_read(self, make, tmp_path, monkeypatch):
        usage = SimpleNamespace(free=crop_writer._SPARE_BYTES + COUNT * CROP_BYTES - 1)
        monkeypatch.setattr(shutil, "disk_usage", lambda folder: usage)
        with pytest.raises(DatasetError, match=r"need 0\.0 GB more and .* has 0\.3 GB free"):
            make(show=lambda *_: pytest.fail("an image was read"))
        usage.free += 1
        assert make().manifest.images == COUNT

    def test_a_full_disk_is_an_error_and_what_is_there_is_kept(
        self, make, source, tmp_path, monkeypatch
    ):
        real = crop_writer._append

        def append(pixels, progress, ref, crop):
            if progress.done == 4:
                raise OSError(28, "No space left on device")
            real(pixels, progress, ref, crop)

        monkeypatch.setattr(crop_writer, "_append", append)
        with pytest.raises(DatasetError, match="No space left on device") as caught:
            make()
        assert "--output" in caught.value.advice
        assert count_done(request(tmp_path, source)) == 4

    def test_a_folder_that_cannot_be_made(self, make, tmp_path):
        (tmp_path / "crops").write_text("a file")
        with pytest.raises(DatasetError, match="cannot write crops to"):
            make()

    def test_two_at_once(self, make, source, tmp_path):
        def interrupt(*_):
            raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            make(show=interrupt)
        (partial,) = (tmp_path / "crops").iterdir()
        with (partial / PIXELS_FILE).open("ab") as other:
            fcntl.flock(other, fcntl.LOCK_EX)
            with pytest.raises(DatasetError, match="another process is filling"):
                make()
        assert make().manifest.images == COUNT

    def test_a_source_that_changes_meanwhile(self, make, photos, tmp_path):
        def change(done, total, rate):
            if done == COUNT:
                os.utime(photos / "00.jpg", ns=(0, 0))

        with pytest.raises(DatasetError, match="has changed while it was read"):
            make(show=change)
        assert list((tmp_path / "crops").iterdir()) == []

    def test_a_source_without_a_usable_image(self, make, tmp_path):
        folder = tmp_path / "broken"
        folder.mkdir()
        (folder / "a.jpg").write_bytes(b"garbage")
        with pytest.raises(
            DatasetError, match=r"none of 1 images .* a\.jpg: begins like no known image"
        ):
            make(source=open_source(folder))
        assert list((tmp_path / "crops").iterdir()) == []
