from __future__ import annotations

import io
import tarfile

import msgspec
import pytest
from tests.archives import write_tar

from resnet50_bench.config import Mode, RunConfig
from resnet50_bench.data.sources import ImageRef, Skipped, open_source, reopen
from resnet50_bench.errors import DatasetError
from resnet50_bench.planning.evaluation import plan_evaluation

GOLDFISH, TENCH = "n01443537", "n01440764"


def tar_bytes(images: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for name, data in images.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return file.getvalue()


@pytest.fixture
def path(tmp_path):
    goldfish = {f"{GOLDFISH}_1.JPEG": b"g" * 700, f"{GOLDFISH}_2.JPEG": b"G"}
    classes = {
        f"{GOLDFISH}.tar": tar_bytes(goldfish),
        f"{TENCH}.tar": tar_bytes({f"./{TENCH}_9.JPEG": b"tench", "notes.txt": b"no"}),
    }
    return write_tar(tmp_path / "ILSVRC2012_img_train.tar", classes)


def test_images_in_the_tars_are_read_in_place(path):
    source = open_source(path)
    assert source.kind == "training tar"
    assert source.describe() == f"training tar {path}"
    assert [(ref.name, source.read(ref)) for ref in source.refs] == [
        (f"{TENCH}/{TENCH}_9.JPEG", b"tench"),
        (f"{GOLDFISH}/{GOLDFISH}_1.JPEG", b"g" * 700),
        (f"{GOLDFISH}/{GOLDFISH}_2.JPEG", b"G"),
    ]
    assert source.skipped == ()


def test_a_worker_reads_refs_sent_as_json(path):
    sent = msgspec.json.encode(open_source(path).refs[:1])
    again = reopen(path, msgspec.json.decode(sent, type=tuple[ImageRef, ...]))
    assert again.read(again.refs[0]) == b"tench"


def test_progress_tells_images_and_the_share_of_the_archive(path):
    told = []
    open_source(path, lambda images, share: told.append((images, share)))
    assert [images for images, _ in told] == [1, 2, 3]
    shares = [share for _, share in told]
    assert shares == sorted(shares)
    assert shares[0] > 0
    assert shares[-1] < 1


def test_it_is_refused_as_a_validation_set_and_taken_for_speed(path):
    source = open_source(path)
    with pytest.raises(DatasetError) as caught:
        plan_evaluation(RunConfig(mode=Mode.ACCURACY, dataset=str(path)), source)
    assert caught.value.message.startswith(
        f"--dataset {path}: is a tar of tars, as ImageNet's training"
    )
    assert "--calibration" in caught.value.advice
    assert plan_evaluation(RunConfig(dataset=str(path)), source) is None


def test_a_tar_inside_that_is_cut_or_no_tar_is_named_and_the_others_are_used(tmp_path):
    inside = tar_bytes({f"{TENCH}_1.JPEG": b"x", f"{TENCH}_2.JPEG": b"y"})
    path = write_tar(
        tmp_path / "x.tar",
        {
            f"{TENCH}.tar": inside[: 2 * tarfile.BLOCKSIZE],
            "n01484850.tar": b"?" * tarfile.BLOCKSIZE,
            f"{GOLDFISH}.tar": tar_bytes({f"{GOLDFISH}_1.JPEG": b"g"}),
        },
    )
    source = open_source(path)
    assert [ref.name for ref in source.refs] == [
        f"{TENCH}/{TENCH}_1.JPEG", f"{GOLDFISH}/{GOLDFISH}_1.JPEG",
    ]  # fmt: skip
    assert source.skipped == (
        Skipped(
            f"{TENCH}.tar",
            "the archive ends at byte 1024 without an end mark: it may have been cut short",
        ),
        Skipped("n01484850.tar", "the archive is damaged at byte 0: what follows is not listed"),
    )
