from __future__ import annotations

import tarfile

import pytest
from tests.archives import make_images, make_jpeg, write_folder, write_tar

from resnet50_bench.data.argument import open_argument
from resnet50_bench.data.sources.index import Opener
from resnet50_bench.data.verify.conclusion import Check, Conclusion
from resnet50_bench.data.verify.facts import found
from resnet50_bench.data.verify.info import NamePattern, Sizes, Unused, describe_dataset
from resnet50_bench.report.terminal.dataset import describe_info, list_checks


def test_a_tar_of_numbered_images(tmp_path):
    images = make_images(12)
    info = describe_dataset(open_argument(write_tar(tmp_path / "val.tar", images), Opener()))
    assert info.source == f"tar {tmp_path / 'val.tar'}"
    assert info.images == 12
    assert info.total_bytes == sum(map(len, images.values()))
    assert info.patterns == (NamePattern("ILSVRC2012_val_000000##.JPEG", 12),)
    assert info.skipped == ()
    assert info.sizes == Sizes(12, 0, (30, 30), (20, 20))
    assert info.labels == "ILSVRC2012's validation labels, by the images' numbers"


def test_text_of_a_folder_of_photos(tmp_path):
    photos = {f"photo {n}.jpg": make_jpeg(n) for n in range(3)}
    photos |= {f"{letter}.jpg": b"?" for letter in "abcdef"}
    folder = write_folder(tmp_path / "photos", photos)
    (folder / "gone.jpg").symlink_to("nowhere")
    (folder / "also.jpg").symlink_to("nowhere")
    total = sum(map(len, photos.values()))
    assert list(describe_info(describe_dataset(open_argument(folder, Opener())))) == [
        ("source", f"folder {folder}"),
        ("images", "9"),
        ("bytes", f"{total:,}, {total // 9:,} an image"),
        ("names", "photo #.jpg (3)"),
        ("names", "a.jpg (1)"),
        ("names", "b.jpg (1)"),
        ("names", "c.jpg (1)"),
        ("names", "d.jpg (1)"),
        ("names", "... 2 patterns more (2)"),
        ("sizes", "30 .. 30 wide, 20 .. 20 high, in a sample of 9; 6 of them state none"),
        ("labels", "none found; `r50 run --labels PATH` names them"),
        ("skipped", "2 x cannot be read: No such file or directory, the first: also.jpg"),
    ]


@pytest.mark.parametrize(("images", "sample"), [(1, 1), (200, 200), (201, 101), (450, 150)])
def test_the_sample_is_spread_evenly_and_bounded(tmp_path, images, sample):
    members = {f"{n:03}.jpg": b"?" for n in range(images)}
    info = describe_dataset(open_argument(write_tar(tmp_path / "a.tar", members), Opener()))
    assert info.sizes == Sizes(sample, sample, None, None)


def test_skipped_files_are_grouped_by_reason(tmp_path):
    path = write_tar(tmp_path / "a.tar", {"a.jpg": make_jpeg(1)})
    with tarfile.open(path, "a") as archive:
        for name in ("b.jpg", "c.jpg"):
            link = tarfile.TarInfo(name)
            link.type, link.linkname = tarfile.SYMTYPE, "a.jpg"
            archive.addfile(link)
        archive.addfile(tarfile.TarInfo("/d.jpg"))
    assert describe_dataset(open_argument(path, Opener())).skipped == (
        Unused("is a symbolic link", 2, "b.jpg"),
        Unused("its name is absolute", 1, "/d.jpg"),
    )


def test_an_image_that_is_gone_has_no_size(tmp_path):
    folder = write_folder(tmp_path / "photos", {"a.jpg": make_jpeg(1), "b.jpg": make_jpeg(2)})
    source = open_argument(folder, Opener())
    (folder / "a.jpg").unlink()
    assert describe_dataset(source).sizes == Sizes(2, 1, (30, 30), (20, 20))


@pytest.mark.parametrize(("count", "last"), [(5, "4"), (6, "... 1 more"), (1234, "... 1,229 more")])
def test_examples_tell_how_many_are_not_named(count, last):
    check = Check("missing", "note", f"{count:,}", found(map(str, range(count))))
    lines = list(list_checks(Conclusion("whole", "WHOLE", (check,))))
    assert lines[0] == ("note", f"missing     {count:,}")
    assert lines[-1] == ("", " " * 12 + last)
    assert len(lines) == min(count, 6) + 1
