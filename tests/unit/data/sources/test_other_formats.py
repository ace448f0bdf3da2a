from __future__ import annotations

import struct
import subprocess
import tarfile

import pytest
from tests.archives import write_tar

from resnet50_bench.data.sources import open_source
from resnet50_bench.errors import DatasetError


def refusal(path) -> DatasetError:
    with pytest.raises(DatasetError) as caught:
        open_source(path)
    return caught.value


@pytest.mark.parametrize(
    ("ending", "mode", "what"),
    [
        ("tar.gz", "gz", "gzip"),
        ("tgz", "gz", "gzip"),
        ("tar.bz2", "bz2", "bzip2"),
        ("tar.xz", "xz", "xz"),
    ],
)
def test_the_command_for_a_compressed_tar_makes_one_that_is_read(tmp_path, ending, mode, what):
    path = tmp_path / f"val images.{ending}"
    plain = write_tar(tmp_path / "plain", {"a.jpg": b"one", "b.jpg": b"two"})
    with tarfile.open(path, f"w:{mode}") as archive:
        for name in ("a.jpg", "b.jpg"):
            with tarfile.open(plain) as members:
                archive.addfile(members.getmember(name), members.extractfile(name))
    error = refusal(path)
    assert error.message == (
        f"--dataset {path}: is compressed ({what}), so its images cannot be read in place"
    )
    assert "give --dataset 'val images.tar': " in error.advice
    command = error.advice.partition("'val images.tar': ")[2]
    subprocess.run(command, shell=True, check=True, cwd=tmp_path)
    source = open_source(tmp_path / "val images.tar")
    assert [source.read(ref) for ref in source.refs] == [b"one", b"two"]


@pytest.mark.parametrize(
    ("name", "data", "what", "advice"),
    [
        (
            "data.mdb",
            bytes(16) + struct.pack("<I", 0xBEEFC0DE),
            "an LMDB database",
            "into a folder",
        ),
        (
            "val.rec",
            struct.pack("<I", 0xCED7230A),
            "an MXNet RecordIO file (.rec)",
            "into a folder",
        ),
        ("val.sqsh", b"hsqs" + bytes(92), "a SquashFS image", "mount -o loop,ro"),
        ("val.hdf5", b"\x89HDF\r\n\x1a\n", "an HDF5 file", "into a folder"),
        ("data.arrow", b"ARROW1\0\0", "an Arrow file", "to_parquet"),
        ("val.beton", b"\x02\0", "an FFCV file (.beton)", "into a folder"),
        (
            "val.tar",
            b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
            "a Git LFS pointer, not the file it stands for",
            "git lfs pull",
        ),
        ("val.tar", b"<!DOCTYPE html>", "a web page: the download got no file", "--dataset"),
        ("a.JPEG", b"\xff\xd8\xff", "a single image", "the folder it lies in"),
        ("validation-00000-of-00128", b"\x10", "a single TFRecord shard", "folder of all shards"),
        ("val.tar", b"neither", "not a tar archive", "--dataset a folder"),
    ],
)
def test_what_a_file_is_instead_is_said(tmp_path, name, data, what, advice):
    path = tmp_path / name
    path.write_bytes(data)
    error = refusal(path)
    assert error.message == f"--dataset {path}: is {what}"
    assert advice in error.advice


def test_a_zip_is_refused_with_the_command_that_extracts_it(tmp_path):
    path = tmp_path / "val.zip"
    path.write_bytes(b"PK\x03\x04")
    assert refusal(path).advice == f"extract it, then give --dataset val: unzip -q -d val {path}"


def test_a_folder_without_images_is_refused_for_what_it_holds(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"notes")
    (tmp_path / "data.mdb").write_bytes(bytes(16) + struct.pack("<I", 0xBEEFC0DE))
    (tmp_path / "lock.mdb").write_bytes(b"")
    assert refusal(tmp_path).message == (
        f"--dataset {tmp_path}: holds no image, but data.mdb, which is an LMDB database"
    )


def test_a_folder_of_nothing_known_holds_no_image(tmp_path):
    (tmp_path / "a.txt").write_bytes(b"notes")
    assert refusal(tmp_path).message == f"--dataset {tmp_path}: holds no image"


def test_images_count_whatever_lies_beside_them(tmp_path):
    (tmp_path / "x.rec").write_bytes(struct.pack("<I", 0xCED7230A))
    (tmp_path / "a.jpg").write_bytes(b"x")
    assert [ref.name for ref in open_source(tmp_path).refs] == ["a.jpg"]
