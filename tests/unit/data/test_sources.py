from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import msgspec
import pytest

from resnet50_bench.data.sources import (
    FolderSource,
    ImageRef,
    Skipped,
    TarSource,
    UnreadableImage,
    open_source,
    reopen,
)
from resnet50_bench.errors import DatasetError

if TYPE_CHECKING:
    from pathlib import Path

BLOCK = tarfile.BLOCKSIZE


def add_member(
    archive: tarfile.TarFile, name: str, data: bytes = b"", kind: bytes = tarfile.REGTYPE
):
    member = tarfile.TarInfo(name)
    member.type = kind
    member.linkname = "target" if kind in (tarfile.SYMTYPE, tarfile.LNKTYPE) else ""
    member.size = len(data)
    archive.addfile(member, io.BytesIO(data))


def make_tar(path: Path, members: dict[str, bytes], tar_format: int = tarfile.PAX_FORMAT) -> Path:
    with tarfile.open(path, "w", format=tar_format) as archive:
        for name, data in members.items():
            add_member(archive, name, data)
    return path


def names(source: FolderSource | TarSource) -> list[str]:
    return [ref.name for ref in source.refs]


def content(path: Path) -> dict[str, tuple[int, int]]:
    return {str(p): (p.stat().st_size, p.stat().st_mtime_ns) for p in path.rglob("*")}


class TestFolder:
    def test_images_at_any_depth_sorted_by_path(self, tmp_path):
        for name in ("b.JPEG", "a/z.jpg", "a/b/c.jpeg", "a.PNG", "a/y.JpG", "notes.txt", "jpeg"):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / name).write_bytes(name.encode())
        source = open_source(tmp_path)
        assert source.refs == (
            ImageRef("a.PNG", 5, None),
            ImageRef("a/b/c.jpeg", 10, None),
            ImageRef("a/y.JpG", 7, None),
            ImageRef("a/z.jpg", 7, None),
            ImageRef("b.JPEG", 6, None),
        )
        assert source.skipped == ()
        assert source.describe() == f"folder {tmp_path}"
        assert [source.read(ref) for ref in source.refs] == [n.encode() for n in names(source)]

    def test_hidden_files_and_folders_are_not_images(self, tmp_path):
        (tmp_path / ".cache").mkdir()
        for name in ("a.jpg", "._a.jpg", ".b.jpg", ".cache/c.jpg"):
            (tmp_path / name).write_bytes(b"x")
        source = open_source(tmp_path)
        assert names(source) == ["a.jpg"]
        assert source.skipped == ()

    def test_a_hidden_folder_above_the_source_does_not_matter(self, tmp_path):
        folder = tmp_path / ".data" / "val"
        folder.mkdir(parents=True)
        (folder / "a.jpg").write_bytes(b"x")
        assert names(open_source(folder)) == ["a.jpg"]

    def test_links_are_followed_and_loops_end(self, tmp_path):
        (tmp_path / "one").mkdir()
        (tmp_path / "one" / "a.jpg").write_bytes(b"xyz")
        (tmp_path / "one" / "up").symlink_to(tmp_path)
        (tmp_path / "self").symlink_to("self")
        (tmp_path / "z.jpg").symlink_to("one/a.jpg")
        source = open_source(tmp_path)
        assert source.refs == (ImageRef("one/a.jpg", 3, None), ImageRef("z.jpg", 3, None))

    def test_a_folder_reached_twice_is_listed_once(self, tmp_path):
        (tmp_path / "b").mkdir()
        (tmp_path / "b" / "a.jpg").write_bytes(b"x")
        (tmp_path / "a").symlink_to("b")
        assert names(open_source(tmp_path)) == ["a/a.jpg"]

    def test_what_is_no_regular_file_is_skipped_with_the_reason(self, tmp_path):
        (tmp_path / "a.jpg").write_bytes(b"x")
        (tmp_path / "b.jpg").symlink_to("gone.jpg")
        os.mkfifo(tmp_path / "c.jpg")
        source = open_source(tmp_path)
        assert names(source) == ["a.jpg"]
        assert source.skipped == (
            Skipped("b.jpg", "cannot be read: No such file or directory"),
            Skipped("c.jpg", "not a regular file"),
        )

    def test_a_name_that_is_not_utf8_is_skipped_and_can_be_recorded(self, tmp_path):
        (tmp_path / "a.jpg").write_bytes(b"x")
        (tmp_path / os.fsdecode(b"\xff.jpg")).write_bytes(b"x")
        source = open_source(tmp_path)
        assert source.skipped == (Skipped("\\xff.jpg", "its name is not UTF-8"),)
        assert msgspec.json.encode(source.skipped) == (
            b'[{"name":"\\\\xff.jpg","reason":"its name is not UTF-8"}]'
        )

    def test_an_unreadable_folder_inside_is_skipped_with_the_reason(self, tmp_path, monkeypatch):
        (tmp_path / "locked").mkdir()
        (tmp_path / "a.jpg").write_bytes(b"x")
        forbid(monkeypatch, tmp_path / "locked")
        assert open_source(tmp_path).skipped == (
            Skipped("locked", "folder cannot be read: Permission denied"),
        )

    def test_an_unreadable_source_folder_is_an_error(self, tmp_path, monkeypatch):
        forbid(monkeypatch, tmp_path)
        with pytest.raises(DatasetError, match=r"--dataset .*: cannot be read: Permission denied"):
            open_source(tmp_path)

    def test_a_file_gone_after_listing_is_unreadable(self, tmp_path):
        (tmp_path / "a.jpg").write_bytes(b"x")
        source = open_source(tmp_path)
        (tmp_path / "a.jpg").unlink()
        with pytest.raises(UnreadableImage) as caught:
            source.read(source.refs[0])
        assert caught.value.name == "a.jpg"
        assert caught.value.reason == "cannot be read: No such file or directory"


def forbid(monkeypatch, folder):
    real = os.scandir

    def scandir(path):
        if os.fspath(path) == os.fspath(folder):
            raise PermissionError(13, "Permission denied", os.fspath(path))
        return real(path)

    monkeypatch.setattr(os, "scandir", scandir)


class TestErrors:
    def assert_refused(self, path, message):
        with pytest.raises(DatasetError) as caught:
            open_source(path)
        assert caught.value.message == f"--dataset {path}: {message}"
        assert "--dataset" in caught.value.advice

    def test_missing(self, tmp_path):
        self.assert_refused(tmp_path / "no", "does not exist")

    def test_below_a_file(self, tmp_path):
        (tmp_path / "file").write_bytes(b"")
        self.assert_refused(tmp_path / "file" / "x", "cannot be read: Not a directory")

    def test_empty_folder(self, tmp_path):
        self.assert_refused(tmp_path, "holds no image")

    def test_folder_of_broken_links_names_the_first(self, tmp_path):
        (tmp_path / "b.jpg").symlink_to("gone")
        self.assert_refused(
            tmp_path,
            "holds no image (1 skipped, the first: b.jpg: "
            "cannot be read: No such file or directory)",
        )

    def test_fifo_is_refused_without_opening_it(self, tmp_path):
        os.mkfifo(tmp_path / "f")
        self.assert_refused(tmp_path / "f", "neither a folder nor a file")

    @pytest.mark.parametrize("data", [b"", b"hello", b"\xff\xd8\xff\xe0" * 500], ids=len)
    def test_not_a_tar(self, tmp_path, data):
        path = tmp_path / "x.tar"
        path.write_bytes(data)
        self.assert_refused(path, "is not a tar archive")

    def test_tar_without_images(self, tmp_path):
        self.assert_refused(make_tar(tmp_path / "x.tar", {"readme.txt": b"x"}), "holds no image")


class TestTar:
    @pytest.mark.parametrize(
        "tar_format", [tarfile.USTAR_FORMAT, tarfile.GNU_FORMAT, tarfile.PAX_FORMAT]
    )
    def test_members_are_read_in_place(self, tmp_path, tar_format):
        members = {
            "./b.JPEG": b"b" * 513,
            "val/a.JPEG": b"a" * 512,
            "c.png": b"",
            "readme.txt": b"no",
            "._a.JPEG": b"no",
        }
        path = make_tar(tmp_path / "x.tar", members, tar_format)
        before = content(tmp_path)
        source = open_source(path)
        assert source.refs == (
            ImageRef("b.JPEG", 513, BLOCK),
            ImageRef("c.png", 0, 6 * BLOCK),
            ImageRef("val/a.JPEG", 512, 4 * BLOCK),
        )
        assert source.skipped == ()
        assert source.describe() == f"tar {path}"
        assert [source.read(ref) for ref in source.refs] == [b"b" * 513, b"", b"a" * 512]
        assert content(tmp_path) == before

    @pytest.mark.parametrize("tar_format", [tarfile.GNU_FORMAT, tarfile.PAX_FORMAT])
    def test_long_names(self, tmp_path, tar_format):
        name = "d" * 150 + "/" + "é" * 120 + ".JPEG"
        source = open_source(make_tar(tmp_path / "x.tar", {name: b"data"}, tar_format))
        assert names(source) == [name]
        assert source.read(source.refs[0]) == b"data"

    def test_unsafe_members_are_skipped_with_the_reason(self, tmp_path):
        path = tmp_path / "x.tar"
        with tarfile.open(path, "w") as archive:
            add_member(archive, "folder.jpg", kind=tarfile.DIRTYPE)
            add_member(archive, "/etc/a.jpg", b"x")
            add_member(archive, "../b.jpg", b"x")
            add_member(archive, "c/../d.jpg", b"x")
            add_member(archive, "e.jpg", kind=tarfile.SYMTYPE)
            add_member(archive, "f.jpg", kind=tarfile.LNKTYPE)
            add_member(archive, "null", kind=tarfile.CHRTYPE)
            add_member(archive, "disk", kind=tarfile.BLKTYPE)
            add_member(archive, "pipe.jpg", kind=tarfile.FIFOTYPE)
            add_member(archive, "good..name.jpg", b"ok")
        source = open_source(path)
        assert names(source) == ["good..name.jpg"]
        assert source.read(source.refs[0]) == b"ok"
        assert source.skipped == (
            Skipped("/etc/a.jpg", "its name is absolute"),
            Skipped("../b.jpg", "its name has a .. in it"),
            Skipped("c/../d.jpg", "its name has a .. in it"),
            Skipped("e.jpg", "is a symbolic link"),
            Skipped("f.jpg", "is a hard link"),
            Skipped("null", "is a device"),
            Skipped("disk", "is a device"),
            Skipped("pipe.jpg", "is a FIFO"),
        )

    def test_a_sparse_member_is_skipped(self, tmp_path):
        path = tmp_path / "x.tar"
        with tarfile.open(path, "w", format=tarfile.PAX_FORMAT) as archive:
            add_member(archive, "a.jpg", b"x")
            member = tarfile.TarInfo("b.jpg")
            member.pax_headers = {"GNU.sparse.map": "0,1", "GNU.sparse.size": "4096"}
            member.size = 1
            archive.addfile(member, io.BytesIO(b"x"))
        source = open_source(path)
        assert names(source) == ["a.jpg"]
        assert source.skipped == (Skipped("b.jpg", "is stored as a sparse file"),)

    def test_a_name_that_is_not_utf8_is_skipped(self, tmp_path):
        members = {"a.jpg": b"x", "\udcff.jpg": b"x"}
        source = open_source(make_tar(tmp_path / "x.tar", members, tarfile.GNU_FORMAT))
        assert names(source) == ["a.jpg"]
        assert source.skipped == (Skipped("\\xff.jpg", "its name is not UTF-8"),)

    def test_the_last_of_two_members_of_one_name_counts(self, tmp_path):
        path = tmp_path / "x.tar"
        with tarfile.open(path, "w") as archive:
            add_member(archive, "a.jpg", b"old")
            add_member(archive, "./a.jpg", b"newer")
        source = open_source(path)
        assert [source.read(ref) for ref in source.refs] == [b"newer"]
        assert source.skipped == (Skipped("a.jpg", "replaced by a later member of the same name"),)

    def test_cut_inside_the_data_of_a_member(self, tmp_path):
        path = make_tar(tmp_path / "x.tar", {"a.jpg": b"a" * 100, "b.jpg": b"b" * 1500})
        os.truncate(path, 3 * BLOCK + 700)
        source = open_source(path)
        assert names(source) == ["a.jpg"]
        assert source.skipped == (
            Skipped("b.jpg", "its data reaches beyond the end of the archive"),
            Skipped(
                "x.tar",
                "the archive ends at byte 2236 without an end mark: it may have been cut short",
            ),
        )

    @pytest.mark.parametrize("size", [2 * BLOCK, 2 * BLOCK + 100], ids=["at", "inside"])
    def test_cut_at_a_header(self, tmp_path, size):
        path = make_tar(tmp_path / "x.tar", {"a.jpg": b"a" * 100, "b.jpg": b"b" * 5000})
        os.truncate(path, size)
        source = open_source(path)
        assert names(source) == ["a.jpg"]
        assert source.skipped == (
            Skipped(
                "x.tar",
                f"the archive ends at byte {size} without an end mark: it may have been cut short",
            ),
        )

    def test_a_damaged_header_in_the_middle_is_told(self, tmp_path):
        path = make_tar(tmp_path / "x.tar", {"a.jpg": b"a", "b.jpg": b"b", "c.jpg": b"c"})
        data = bytearray(path.read_bytes())
        data[2 * BLOCK] ^= 0xFF
        path.write_bytes(data)
        source = open_source(path)
        assert names(source) == ["a.jpg"]
        assert source.skipped == (
            Skipped("x.tar", "the archive is damaged at byte 1024: what follows is not listed"),
        )

    def test_a_tar_that_shrank_after_listing_gives_no_short_data(self, tmp_path):
        path = make_tar(tmp_path / "x.tar", {"a.jpg": b"a" * 100})
        source = open_source(path)
        os.truncate(path, BLOCK + 40)
        with pytest.raises(
            UnreadableImage, match=r"a\.jpg: only 40 of its 100 bytes are in the tar"
        ):
            source.read(source.refs[0])

    def test_a_ref_without_offset_is_refused(self, tmp_path):
        path = make_tar(tmp_path / "x.tar", {"a.jpg": b"a"})
        with pytest.raises(UnreadableImage, match="has no position in the tar"):
            open_source(path).read(ImageRef("a.jpg", 1, None))

    def test_ten_thousand_members(self, tmp_path):
        path = tmp_path / "x.tar"
        with path.open("wb") as file:
            for number in range(10_000):
                member = tarfile.TarInfo(f"{number:05d}.JPEG")
                member.size = 5
                file.write(member.tobuf(tarfile.USTAR_FORMAT))
                file.write(f"{number:05d}".encode().ljust(BLOCK, b"\0"))
            file.write(bytes(2 * BLOCK))
        source = open_source(path)
        assert len(source.refs) == 10_000
        assert source.read(source.refs[9_999]) == b"09999"


class TestReopen:
    def test_folder_and_tar_give_the_same_bytes_from_refs_sent_as_json(self, tmp_path):
        folder = tmp_path / "f"
        folder.mkdir()
        (folder / "a.jpg").write_bytes(b"one")
        (folder / "b.jpg").write_bytes(b"three")
        tar = make_tar(tmp_path / "x.tar", {"b.jpg": b"three", "a.jpg": b"one"})
        for path in (folder, tar):
            sent = msgspec.json.encode(open_source(path).refs)
            refs = msgspec.json.decode(sent, type=tuple[ImageRef, ...])
            again = reopen(path, refs[1:])
            assert names(again) == ["b.jpg"]
            assert again.read(again.refs[0]) == b"three"


class TestFingerprint:
    @pytest.fixture(params=["folder", "tar"])
    def dataset(self, request, tmp_path):
        """The path of a dataset, and of the file in it that holds the image b.jpg."""
        if request.param == "tar":
            path = make_tar(tmp_path / "x.tar", {"a.jpg": b"one", "b.jpg": b"three"})
            return path, path
        folder = tmp_path / "f"
        folder.mkdir()
        (folder / "a.jpg").write_bytes(b"one")
        (folder / "b.jpg").write_bytes(b"three")
        return folder, folder / "b.jpg"

    def test_it_stays_the_same_also_when_the_dataset_is_moved(self, dataset, tmp_path):
        path, _ = dataset
        before = open_source(path).fingerprint()
        assert len(before) == 64
        moved = path.rename(tmp_path / "moved")
        assert open_source(moved).fingerprint() == before
        assert reopen(moved, open_source(moved).refs).fingerprint() == before

    def test_it_changes_with_the_time_of_the_file(self, dataset):
        path, holder = dataset
        before = open_source(path).fingerprint()
        os.utime(holder, ns=(0, holder.stat().st_mtime_ns + 1))
        assert open_source(path).fingerprint() != before

    def test_it_changes_with_the_choice_of_images(self, dataset):
        path, _ = dataset
        source = open_source(path)
        assert reopen(path, source.refs[:1]).fingerprint() != source.fingerprint()

    def test_a_file_that_is_gone_is_an_error(self, dataset):
        path, holder = dataset
        source = open_source(path)
        holder.unlink()
        with pytest.raises(DatasetError, match=r"--dataset: .*: cannot be read: No such file"):
            source.fingerprint()

    def test_kinds(self, dataset):
        path, _ = dataset
        assert open_source(path).kind == ("tar" if path.is_file() else "folder")


def test_listing_and_planning_import_neither_numpy_nor_opencv():
    code = (
        "import sys\n"
        "import resnet50_bench.data.sources, resnet50_bench.data.labels, resnet50_bench.data.feed\n"
        "print(sorted({'numpy', 'cv2', 'scipy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
