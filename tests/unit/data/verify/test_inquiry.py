from __future__ import annotations

import os
import tarfile
from pathlib import Path

import cv2
import numpy as np
import pytest
from tests.archives import make_images, make_jpeg, publish, write_folder, write_tar
from tests.tfrecords import crc32c, frame, write_shards

from resnet50_bench.data.imagenet import VALIDATION
from resnet50_bench.data.verify import bytes as verify_bytes
from resnet50_bench.data.verify.bytes import describe_damage, hash_file
from resnet50_bench.data.verify.conclusion import Check, Conclusion, conclude
from resnet50_bench.data.verify.facts import Found, Hashes, Step, found
from resnet50_bench.data.verify.inquiry import Inquiry
from resnet50_bench.data.verify.memory import Memory
from resnet50_bench.errors import DatasetError


class Bench:
    """Verifies against a small published archive, and notes every byte and image that was read."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.images = make_images()
        self.archive = write_tar(root / VALIDATION.file_name, self.images)
        self.published = publish(self.archive.read_bytes())
        self.memory = Memory(root / "memory")
        self.steps: list[tuple[Step, int, int | None]] = []

    def inquire(self, path: Path, *, again: bool = False) -> Inquiry:
        return Inquiry(path, self.published, self.memory, again=again)

    def verify(self, path: Path, *, quick: bool = False, again: bool = False) -> Conclusion:
        self.steps.clear()
        inquiry = self.inquire(path, again=again)
        inquiry.gather(lambda *step: self.steps.append(step), quick=quick)
        claims = inquiry.claims_to_be_published
        return conclude(inquiry.facts, self.published, claims=claims)

    @property
    def took(self) -> list[Step]:
        """The steps that were taken, each once."""
        return list(dict.fromkeys(step for step, *_ in self.steps))


@pytest.fixture
def bench(tmp_path) -> Bench:
    return Bench(tmp_path)


def check(conclusion: Conclusion, name: str) -> Check:
    (only,) = (item for item in conclusion.checks if item.name == name)
    return only


def examples(conclusion: Conclusion, name: str) -> tuple[str, ...]:
    some = check(conclusion, name).found
    assert some is not None
    return some.first


def failed(conclusion: Conclusion) -> list[str]:
    return [item.name for item in conclusion.checks if item.status == "failed"]


class TestPublishedArchive:
    def test_figures_of_the_real_one(self):
        assert VALIDATION.size_bytes == 6_744_924_160
        assert VALIDATION.md5 == "29b22e2961454d5413ddabcf34fc5622"
        assert VALIDATION.sha256 == (
            "c7e06a6c0baccf06d8dbeb6577d71efff84673a5dbdd50633ab44f8ea0456ae0"
        )
        assert VALIDATION.name_image(50_000) == "ILSVRC2012_val_00050000.JPEG"
        assert VALIDATION.images == 50_000

    def test_itself(self, bench):
        before = bench.archive.stat()
        conclusion = bench.verify(bench.archive)
        assert conclusion.verdict == "published"
        assert conclusion.summary == (
            "WHOLE: the published ILSVRC2012_img_val.tar, proven by its SHA-256"
        )
        assert not conclusion.is_bad
        assert [(item.name, item.status) for item in conclusion.checks] == [
            (name, "ok") for name in ("size", "MD5", "SHA-256", "names", "images")
        ]
        assert bench.took == [Step.LIST, Step.HASH]  # the images are proven by the hash
        size_bytes = bench.published.size_bytes
        assert bench.steps[-1] == (Step.HASH, size_bytes, size_bytes)
        assert bench.archive.stat() == before

    def test_under_another_name_it_is_known_by_its_size(self, bench):
        renamed = bench.archive.rename(bench.root / "val.tar")
        assert bench.verify(renamed).verdict == "published"

    def test_one_changed_byte(self, bench):
        content = bytearray(bench.archive.read_bytes())
        content[700] ^= 1  # in the first image
        bench.archive.write_bytes(content)
        conclusion = bench.verify(bench.archive)
        assert conclusion.verdict == "differs"
        assert conclusion.is_bad
        assert failed(conclusion) == ["MD5", "SHA-256"]
        assert check(conclusion, "SHA-256").text.endswith(
            f"not the published {bench.published.sha256}"
        )
        assert check(conclusion, "size").status == check(conclusion, "names").status == "ok"
        assert bench.took == [Step.LIST, Step.HASH, Step.IMAGES]

    def test_cut_short(self, bench):
        size_bytes = bench.published.size_bytes
        whole = bench.archive.read_bytes()
        end = whole.rindex(b"\xff\xd9") - 100
        bench.archive.write_bytes(whole[:end])
        conclusion = bench.verify(bench.archive)
        assert conclusion.verdict == "differs"
        assert check(conclusion, "size").text == (
            f"{end:,} bytes, not the published {size_bytes:,}: {size_bytes - end:,} are missing"
        )
        assert examples(conclusion, "missing") == ("ILSVRC2012_val_00000007.JPEG",)
        assert check(conclusion, "files").status == "failed"
        assert Step.HASH not in bench.took  # another size says it already

    def test_too_long(self, bench):
        with bench.archive.open("ab") as file:
            file.write(bytes(3))
        assert check(bench.verify(bench.archive), "size").text.endswith(": 3 too many")

    def test_a_page_saved_under_its_name(self, bench):
        bench.archive.write_bytes(b"<html>Log in first</html>")
        conclusion = bench.verify(bench.archive)
        assert conclusion.verdict == "differs"
        text = f"{bench.archive}: is a web page: the download got no file"
        assert check(conclusion, "names").text == text
        assert failed(conclusion) == ["size", "names"]

    def test_quick_reads_nothing(self, bench):
        conclusion = bench.verify(bench.archive, quick=True)
        assert conclusion.verdict == "not read"
        assert not conclusion.is_bad
        unknown = [item.name for item in conclusion.checks if item.status == "unknown"]
        assert unknown == ["MD5", "SHA-256", "images"]
        assert bench.took == [Step.LIST]

    def test_quick_finds_another_size(self, bench):
        bench.archive.write_bytes(bench.archive.read_bytes()[:-512])
        assert bench.verify(bench.archive, quick=True).verdict == "differs"


class TestNames:
    def verify(self, bench: Bench, members) -> Conclusion:
        path = write_tar(bench.root / "mine.tar", members)
        with path.open("ab") as file:  # tars of the published size are compared by their hashes
            file.write(bytes(tarfile.RECORDSIZE))
        return bench.verify(path)

    def test_missing_surplus_and_duplicates_are_listed(self, bench):
        members = [*bench.images.items(), ("ILSVRC2012_val_00000002.JPEG", make_jpeg(99))]
        members = [item for item in members if item[0] != "ILSVRC2012_val_00000004.JPEG"]
        for name in ("ILSVRC2012_val_00000008.JPEG", "ILSVRC2012_val_00000000.JPEG", "a/cat.jpg"):
            members.append((name, make_jpeg(98)))
        conclusion = self.verify(bench, members)
        assert check(conclusion, "names").text == "6 of the 7 validation images"
        assert examples(conclusion, "missing") == ("ILSVRC2012_val_00000004.JPEG",)
        assert check(conclusion, "surplus").text == "3"
        assert examples(conclusion, "surplus") == (
            "ILSVRC2012_val_00000000.JPEG", "ILSVRC2012_val_00000008.JPEG", "a/cat.jpg",
        )  # fmt: skip
        assert examples(conclusion, "duplicates") == ("ILSVRC2012_val_00000002.JPEG",)
        assert conclusion.verdict == "whole"
        assert conclusion.summary == (
            "WHOLE, but not the 7 validation images: 9 images, 6 of them validation images"
        )

    def test_a_part_of_them_says_that_it_is_one(self, bench):
        conclusion = self.verify(bench, dict(list(bench.images.items())[2:]))
        assert conclusion.summary == "WHOLE, but only 5 of the 7 validation images"
        assert examples(conclusion, "missing") == tuple(bench.images)[:2]

    def test_folders_inside_do_not_matter(self, bench):
        members = {f"n{n % 3}/{name}": data for n, (name, data) in enumerate(bench.images.items())}
        conclusion = self.verify(bench, members)
        assert check(conclusion, "names").status == "ok"
        assert conclusion.summary == "WHOLE: the 7 validation images"

    def test_the_same_name_in_two_folders_is_a_duplicate(self, bench):
        name = VALIDATION.name_image(3)
        conclusion = self.verify(bench, bench.images | {f"other/{name}": make_jpeg(3)})
        assert examples(conclusion, "duplicates") == (name,)
        assert "surplus" not in [item.name for item in conclusion.checks]

    def test_many_are_counted_and_the_first_named(self):
        names = [str(number) for number in range(12)]
        assert found(iter(names)) == Found(12, ("0", "1", "2", "3", "4"))
        assert found(()) == Found(0, ())

    def test_in_the_published_archive_they_are_faults(self, bench):
        images = dict(list(bench.images.items())[1:])
        write_tar(bench.archive, images)
        bench.published = publish(bench.archive.read_bytes() + b"x")
        conclusion = bench.verify(bench.archive)
        assert failed(conclusion) == ["size", "names", "missing"]


class TestOtherSets:
    def test_photos_in_a_folder_are_no_error(self, bench):
        photos = {"a.jpg": make_jpeg(1), "b/c.JPEG": make_jpeg(2)}
        conclusion = bench.verify(write_folder(bench.root / "photos", photos))
        assert conclusion.verdict == "whole"
        assert conclusion.summary == "WHOLE, but not the 7 validation images: 2 images"
        assert check(conclusion, "names").status == "note"
        assert check(conclusion, "images").text == "2 read: begin and end as they should"
        assert bench.steps[-1] == (Step.IMAGES, 2, 2)

    def test_damaged_images_are_named_with_their_reasons(self, bench):
        jpeg = make_jpeg(1)
        photos = {"cut.jpg": jpeg[:-2], "empty.jpg": b"", "page.jpg": b"<html>", "whole.jpg": jpeg}
        conclusion = bench.verify(write_folder(bench.root / "photos", photos))
        assert conclusion.verdict == "damaged"
        assert conclusion.is_bad
        assert conclusion.summary == "DAMAGED: look at empty, images"
        assert check(conclusion, "images").text == "3 of 4 images damaged"
        assert examples(conclusion, "images") == (
            "cut.jpg: is cut short: its end marker is missing",
            "empty.jpg: is empty",
            "page.jpg: begins like no known image",
        )
        assert examples(conclusion, "empty") == ("empty.jpg",)

    def test_quick_finds_what_is_empty(self, bench):
        folder = write_folder(bench.root / "photos", {"a.jpg": b"", "b.jpg": b"x"})
        conclusion = bench.verify(folder, quick=True)
        assert failed(conclusion) == ["empty"]
        assert bench.took == [Step.LIST]

    def test_a_link_that_leads_nowhere_is_a_fault(self, bench):
        folder = write_folder(bench.root / "photos", {"a.jpg": make_jpeg(1)})
        (folder / "b.jpg").symlink_to("gone.jpg")
        conclusion = bench.verify(folder)
        assert failed(conclusion) == ["files"]
        assert examples(conclusion, "files") == (
            "b.jpg: cannot be read: No such file or directory",
        )

    def test_what_is_not_used_on_purpose_is_none(self, bench):
        path = write_tar(bench.root / "mine.tar", {"a.jpg": make_jpeg(1)})
        with tarfile.open(path, "a") as archive:
            link = tarfile.TarInfo("b.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, "a.jpg"
            archive.addfile(link)
            archive.addfile(tarfile.TarInfo("../c.jpg"))
        conclusion = bench.verify(path)
        assert examples(conclusion, "unused") == (
            "b.jpg: is a symbolic link", "../c.jpg: its name has a .. in it",
        )  # fmt: skip
        assert conclusion.verdict == "whole"

    def test_a_tar_damaged_in_the_middle(self, bench):
        path = write_tar(bench.root / "mine.tar", bench.images)
        content = bytearray(path.read_bytes())
        second = content.index(b"ILSVRC2012_val_00000002")
        content[second : second + 512] = b"x" * 512
        path.write_bytes(content + bytes(512))
        conclusion = bench.verify(path)
        assert conclusion.verdict == "damaged"
        assert "damaged at byte" in examples(conclusion, "files")[0]

    def test_not_there(self, bench):
        with pytest.raises(DatasetError, match="gone: does not exist") as caught:
            bench.verify(bench.root / "gone")
        assert caught.value.advice == "PATH is a .tar, a folder of images or one of TFRecords"

    def test_errors_do_not_name_a_flag_the_command_lacks(self, bench):
        path = bench.root / "notes.txt"
        path.write_bytes(b"not a tar")
        with pytest.raises(DatasetError) as caught:
            bench.verify(path)
        assert caught.value.message == f"{path}: is not a tar archive"
        assert caught.value.advice is not None
        assert "--dataset" not in caught.value.advice


class TestImageDamage:
    def test_formats_without_a_known_end_are_decoded(self):
        pixels = np.zeros((9, 9, 3), np.uint8)
        data = cv2.imencode(".bmp", pixels)[1].tobytes()
        assert describe_damage(data, "a.jpg") is None
        assert describe_damage(data[:10], "a.jpg") == "begins like no known image"

    def test_hashes_of_a_file_larger_than_a_block(self, tmp_path, monkeypatch):
        monkeypatch.setattr(verify_bytes, "_BLOCK_BYTES", 3)
        (tmp_path / "x").write_bytes(b"The quick brown fox jumps over the lazy dog")
        assert hash_file(tmp_path / "x", lambda *_: None) == Hashes(
            "9e107d9d372bb6826bd81d3542a419d6",
            "d7a8fbb307d7809469ca9abcb0082e4f8d5651e46d3cdb762d02d0bf37c9e592",
        )


class TestMemory:
    def test_the_second_time_nothing_is_read(self, bench):
        first = bench.verify(bench.archive)
        assert bench.verify(bench.archive) == first
        assert bench.took == []
        assert bench.inquire(bench.archive).is_recalled

    def test_again_reads_anew(self, bench):
        bench.verify(bench.archive)
        bench.verify(bench.archive, again=True)
        assert bench.took == [Step.LIST, Step.HASH]
        assert not bench.inquire(bench.archive, again=True).is_recalled

    @pytest.mark.parametrize("change", ["content", "time", "inode"])
    def test_a_changed_archive_is_read_anew(self, bench, change):
        bench.verify(bench.archive)
        status = bench.archive.stat()
        content = bench.archive.read_bytes()
        if change == "content":
            bench.archive.write_bytes(content + b"x")
            os.utime(bench.archive, ns=(status.st_atime_ns, status.st_mtime_ns))
        elif change == "time":
            os.utime(bench.archive, ns=(status.st_atime_ns, status.st_mtime_ns + 1))
        else:
            copy = bench.root / "copy"
            copy.write_bytes(content)
            os.utime(copy, ns=(status.st_atime_ns, status.st_mtime_ns))
            copy.replace(bench.archive)
        bench.verify(bench.archive)
        assert Step.LIST in bench.took

    def test_of_a_folder_the_names_are_looked_at_and_no_image_is_read(self, bench):
        folder = write_folder(bench.root / "photos", {"a.jpg": make_jpeg(1)})
        first = bench.verify(folder)
        assert bench.verify(folder) == first
        assert bench.took == [Step.LIST]
        (folder / "b.jpg").write_bytes(b"")
        assert bench.verify(folder).verdict == "damaged"
        assert bench.took == [Step.LIST, Step.IMAGES]

    def test_what_an_interrupted_one_has_finished_is_kept(self, bench):
        inquiry = bench.inquire(bench.archive)

        def interrupt(step: Step, done: int, total: int | None) -> None:
            if step is Step.HASH and done:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            inquiry.gather(interrupt)
        so_far = conclude(inquiry.facts, bench.published, claims=True)
        assert [(item.name, item.status) for item in so_far.checks] == [
            ("size", "ok"), ("MD5", "unknown"), ("SHA-256", "unknown"), ("names", "ok"),
            ("images", "unknown"),
        ]  # fmt: skip
        assert bench.verify(bench.archive).verdict == "published"
        assert bench.took == [Step.HASH]

    def test_a_change_while_it_is_read_is_an_error(self, bench):
        def write(step: Step, done: int, total: int | None) -> None:
            if step is Step.HASH:
                bench.archive.touch()
                os.utime(bench.archive, ns=(0, 1))

        with pytest.raises(DatasetError, match="was changed while it was read"):
            bench.inquire(bench.archive).gather(write)

    def test_other_published_figures_are_other_facts(self, bench):
        bench.verify(bench.archive)
        bench.published = publish(b"x")
        assert bench.verify(bench.archive).verdict == "differs"

    def test_a_damaged_entry_is_as_good_as_none(self, bench):
        bench.verify(bench.archive)
        for entry in bench.memory.folder.iterdir():
            entry.write_bytes(b"{")
        assert bench.verify(bench.archive).verdict == "published"
        assert Step.HASH in bench.took

    def test_a_cache_that_cannot_be_written_is_said_and_is_no_error(self, bench):
        bench.memory.folder.write_bytes(b"")
        inquiry = bench.inquire(bench.archive)
        inquiry.gather(lambda *_: None)
        assert inquiry.forgetful == f"{bench.memory.folder}: File exists"
        assert inquiry.facts.hashes is not None


class TestRecords:
    RECORDS = ([b"first", b""], [b"third" * 400])

    def test_the_checksum_is_crc32c(self):
        assert crc32c(b"123456789") == 0xE3069283  # RFC 3720's check value

    def test_whole(self, bench):
        folder = bench.root / "records"
        write_shards(folder, list(self.RECORDS))
        conclusion = bench.verify(folder)
        assert conclusion.verdict == "whole"
        assert conclusion.summary == "WHOLE: 3 records"
        assert check(conclusion, "records").text == "3 read: both checksums hold"
        assert check(conclusion, "count").text == "not the 7 of the validation set"
        total = sum(path.stat().st_size for path in folder.iterdir())
        assert check(conclusion, "shards").text == f"2 files, {total:,} bytes"
        assert bench.steps[-1] == (Step.RECORDS, total, total)
        assert bench.verify(folder) == conclusion
        assert bench.took == []

    def test_as_many_as_the_validation_set(self, bench):
        write_shards(bench.root / "records", [[b"x"] * 7])
        names = [item.name for item in bench.verify(bench.root / "records").checks]
        assert names == ["shards", "records"]

    @pytest.mark.parametrize("stem", ["validation", "imagenet2012-validation.tfrecord"])
    def test_a_missing_shard(self, bench, stem):
        folder = bench.root / "records"
        write_shards(folder, [[b"1"], [b"2"], [b"3"]], stem)[1].unlink()
        conclusion = bench.verify(folder, quick=True)
        assert failed(conclusion) == ["shards"]
        assert examples(conclusion, "shards") == (f"{stem}-00001-of-00003",)

    @pytest.mark.parametrize(
        ("position", "problem", "count"),
        [
            (0, "record 0 at byte 0 has a damaged length: the rest of the file cannot be read", 2),
            (9, "record 0 at byte 0 has a damaged length: the rest of the file cannot be read", 2),
            (12, "record 0 at byte 0 has damaged data", 3),
            (18, "record 0 at byte 0 has damaged data", 3),
            (36, "record 1 at byte 21 has damaged data", 3),
        ],
    )
    def test_a_flipped_bit(self, bench, position, problem, count):
        first = write_shards(bench.root / "records", list(self.RECORDS))[0]
        content = bytearray(first.read_bytes())
        content[position] ^= 1
        first.write_bytes(content)
        conclusion = bench.verify(bench.root / "records")
        assert conclusion.verdict == "damaged"
        assert examples(conclusion, "records") == (f"{first.name}: {problem}",)
        assert check(conclusion, "records").text == f"1 of {count} records damaged"

    def test_every_cut_is_found_except_between_records(self, bench):
        path = bench.root / "a.tfrecord"
        content = frame(b"first") + frame(b"second")
        ends = {len(frame(b"first")), len(content)}
        for length in range(1, len(content) + 1):
            path.write_bytes(content[:length])
            assert (bench.verify(path).verdict == "whole") == (length in ends), length

    def test_a_length_beyond_the_file_is_not_read(self, bench):
        path = bench.root / "a.tfrecord"
        huge = (1 << 62).to_bytes(8, "little")
        path.write_bytes(frame(b"first") + huge + frame(huge)[-4:] + b"x" * 50)
        assert examples(bench.verify(path), "records") == (
            "a.tfrecord: record 1 at byte 21 is cut short",
        )
