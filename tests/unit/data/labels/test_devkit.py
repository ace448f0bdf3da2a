from __future__ import annotations

import gzip
import io
import random
import tarfile
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat
from tests.labels import ALL, CLASSES, TRUTH, assert_refused, folder_of, val_name

from resnet50_bench.data.labels.find import find_labels
from resnet50_bench.data.labels.matching import LabelSet
from resnet50_bench.data.sources import TarSource
from resnet50_bench.errors import DatasetError

DEVKIT = "ILSVRC2012_devkit_t12"

ID_OF = dict(enumerate(random.Random(2).sample(range(1, 1001), 1000)))
"""The devkit's id of each class: in no order of the synsets."""


def make_meta(ids=None) -> bytes:
    pairs = [(number, CLASSES[label]) for label, number in (ids or ID_OF).items()]
    pairs += [(number, f"n0000{number}") for number in range(1001, 1861)]
    synsets = np.zeros((len(pairs), 1), dtype=[("ILSVRC2012_ID", "O"), ("WNID", "O")])
    for row, (number, wnid) in enumerate(sorted(pairs)):
        synsets[row, 0] = (float(number), wnid)
    out = io.BytesIO()
    savemat(out, {"synsets": synsets}, do_compression=True)
    return out.getvalue()


@pytest.fixture(scope="module")
def devkit() -> dict[str, bytes]:
    return {
        "readme.txt": b"hello",
        "data/meta.mat": make_meta(),
        "data/ILSVRC2012_validation_ground_truth.txt": "".join(
            f"{ID_OF[label]}\n" for label in TRUTH
        ).encode(),
    }


def pack(files: dict[str, bytes], mode: str = "w:gz", root: str = DEVKIT) -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode=mode) as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(f"{root}/{name}")
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return out.getvalue()


class TestDevkit:
    NAMES = (val_name(1), val_name(2), val_name(ALL))
    EXPECTED = (TRUTH[0], TRUTH[1], TRUTH[-1])

    @pytest.mark.parametrize("mode", ["w:gz", "w"])
    def test_the_archive(self, tmp_path, devkit, mode):
        path = tmp_path / "anything"
        path.write_bytes(pack(devkit, mode))
        before = sorted(tmp_path.iterdir())
        found = find_labels(folder_of(tmp_path, self.NAMES), path)
        assert found == LabelSet(self.EXPECTED, f"ground truth of the devkit in {path}", order=None)
        assert sorted(tmp_path.iterdir()) == before

    @pytest.mark.parametrize("given", [".", "data"])
    def test_the_extracted_folder(self, tmp_path, devkit, given):
        (tmp_path / "data").mkdir()
        for name, data in devkit.items():
            (tmp_path / name).write_bytes(data)
        assert (
            find_labels(folder_of(tmp_path, self.NAMES), tmp_path / given).labels == self.EXPECTED
        )

    def test_it_is_found_beside_the_dataset(self, tmp_path, devkit):
        (tmp_path / f"{DEVKIT}.tar.gz").write_bytes(pack(devkit))
        source = folder_of(tmp_path / "x.tar", self.NAMES, TarSource)
        assert find_labels(source, None).labels == self.EXPECTED

    @pytest.mark.parametrize(
        ("change", "message"),
        [
            ({"data/meta.mat": None}, "is an archive without data/meta.mat"),
            ({"data/meta.mat": b""}, "data/meta.mat: cannot be read: "),
            ({"data/meta.mat": b"\0" * 200}, "data/meta.mat: cannot be read: "),
            (
                {"data/meta.mat": partial(make_meta, {0: 1, 1: 2})},
                "data/meta.mat: does not name 1000 different synsets",
            ),
            (
                {"data/meta.mat": partial(make_meta, ID_OF | {0: ID_OF[1]})},
                "data/meta.mat: does not name 1000 different synsets",
            ),
            (
                {"data/ILSVRC2012_validation_ground_truth.txt": b"1\n2\n1001\n"},
                "ground_truth.txt: line 3: is not an id of 1..1000",
            ),
            (
                {"data/ILSVRC2012_validation_ground_truth.txt": b"1\n" + b"9" * 10_000},
                "ground_truth.txt: line 2: is not an id of 1..1000",
            ),
            (
                {"data/ILSVRC2012_validation_ground_truth.txt": b"1\n2\n"},
                "has 2 lines, but the dataset has 3 images",
            ),
        ],
    )
    def test_a_wrong_devkit_is_refused(self, tmp_path, devkit, change, message):
        path = tmp_path / "kit"
        made = {name: data() if callable(data) else data for name, data in change.items()}
        files = {name: data for name, data in (devkit | made).items() if data is not None}
        path.write_bytes(pack(files))
        assert_refused(folder_of(tmp_path, self.NAMES), path, f"--labels {path}: ", message)

    def test_a_cut_archive(self, tmp_path, devkit):
        path = tmp_path / "kit"
        whole = pack(devkit)
        path.write_bytes(whole[: len(whole) // 2])
        assert_refused(folder_of(tmp_path, self.NAMES), path, "is cut short")

    def test_a_bomb_is_not_unpacked(self, tmp_path):
        path = tmp_path / "kit"
        path.write_bytes(gzip.compress(bytes(80 << 20), 1))
        assert_refused(folder_of(tmp_path, self.NAMES), path, "is larger than 64 MiB")

    def test_links_and_names_that_lead_outside_write_nothing(self, tmp_path, devkit):
        out = io.BytesIO()
        with tarfile.open(fileobj=out, mode="w:gz") as archive:
            for kind in (tarfile.SYMTYPE, tarfile.LNKTYPE):
                member = tarfile.TarInfo("../../data/meta.mat")
                member.type, member.linkname = kind, "/etc/passwd"
                archive.addfile(member)
        path = tmp_path / "kit"
        path.write_bytes(out.getvalue())
        assert_refused(folder_of(tmp_path, self.NAMES), path, "is an archive without data/")
        assert list(tmp_path.iterdir()) == [path]

    @settings(deadline=None, max_examples=100,
              suppress_health_check=[HealthCheck.function_scoped_fixture])  # fmt: skip
    @given(share=st.floats(0, 0.999), new=st.binary(min_size=1, max_size=40), packed=st.booleans())
    def test_damage_is_told_or_changes_nothing_of_another_kind(self, tmp_path, share, new, packed):
        truth = {"data/ILSVRC2012_validation_ground_truth.txt": b"1\n", "readme.txt": b"x" * 2000}
        data = bytearray(pack(truth, "w:gz" if packed else "w"))
        position = int(share * len(data))
        data[position : position + len(new)] = new
        (tmp_path / "kit").write_bytes(data)
        with pytest.raises(DatasetError):
            find_labels(folder_of(tmp_path, self.NAMES), tmp_path / "kit")
