from __future__ import annotations

import gzip
import hashlib
import io
import os
import random
import subprocess
import sys
import tarfile
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy.io import savemat
from tests.tfrecords import image_example, write_shard

from resnet50_bench.data.labels import LabelSet, find_labels, installed
from resnet50_bench.data.sources import (
    FolderSource,
    ImageRef,
    TarSource,
    TFRecordSource,
    open_source,
)
from resnet50_bench.errors import DatasetError

CLASSES = tuple(f"n{10_000_000 + 7 * number}" for number in range(1000))
ALL = 50_000
TRUTH = random.Random(1).choices(range(1000), k=ALL)
"""The made-up class, 0..999, of each validation image."""

DEVKIT = "ILSVRC2012_devkit_t12"


def val_name(number: int) -> str:
    return f"ILSVRC2012_val_{number:08d}.JPEG"


def folder_of(path, names, kind=FolderSource):
    return kind(path, tuple(ImageRef(name, 1, None) for name in sorted(names)))


@pytest.fixture(autouse=True)
def package(tmp_path_factory, monkeypatch):
    """Where the lists of tensorflow-datasets would be; it is not installed unless a test says so."""
    root = tmp_path_factory.mktemp("site") / "tensorflow_datasets"
    digest = hashlib.sha256("\n".join(CLASSES).encode()).hexdigest()
    monkeypatch.setattr(installed, "CLASSES_SHA256", digest)
    monkeypatch.setattr(
        installed.importlib.util,
        "find_spec",
        lambda name: (
            type("Spec", (), {"submodule_search_locations": [str(root)]})
            if root.exists() and name == "tensorflow_datasets"
            else None
        ),
    )
    return root


def install(root, classes=CLASSES, truth=TRUTH):
    folder = root / "datasets" / "imagenet2012"
    folder.mkdir(parents=True)
    (folder / "labels.txt").write_text("".join(f"{wnid}\n" for wnid in classes))
    (folder / "validation_labels.txt").write_text("".join(f"{CLASSES[n]}\n" for n in truth))


def assert_refused(source, path, *messages, advice="--labels"):
    with pytest.raises(DatasetError) as caught:
        find_labels(source, path)
    for message in messages:
        assert message in caught.value.message
    assert caught.value.advice is not None
    assert advice in caught.value.advice


class TestFound:
    def test_labels_of_the_images_themselves_come_first(self, tmp_path):
        (tmp_path / "val_map.txt").write_text("a.JPEG 5\nb.JPEG 6\n")
        refs = (ImageRef("a.JPEG", 1, 0, "s", 7), ImageRef("b.JPEG", 1, 0, "s", 999))
        assert find_labels(TFRecordSource(tmp_path, refs), None) == LabelSet(
            (7, 999), "image/class/label of the TFRecords"
        )

    def test_images_without_their_own_label_among_others_are_named(self, tmp_path):
        refs = tuple(ImageRef(n, 1, 0, "s", label) for n, label in [("a", 1), ("b", None)])
        assert_refused(
            TFRecordSource(tmp_path, refs),
            None,
            "1 of 2 images have no label of their own there, the first: b",
        )

    def test_records_whose_labels_begin_at_zero_are_refused(self, tmp_path):
        labels = range(999)
        records = [image_example(b"x", label, f"{label}.JPEG") for label in labels]
        write_shard(tmp_path / "validation-00000-of-00001", *records)
        assert_refused(
            open_source(tmp_path),
            None,
            "image/class/label is 0 in 1 records, the first: validation-00000-of-00001#0, and 1000 "
            "in none: the labels begin at 0, and must begin at 1",
        )

    def test_a_background_class_among_labels_from_one_shifts_nothing(self, tmp_path):
        records = [image_example(b"x", label, f"{label}.JPEG") for label in (0, 1, 1000)]
        write_shard(tmp_path / "validation-00000-of-00001", *records)
        assert find_labels(open_source(tmp_path), None).labels == (0, 999)

    @pytest.mark.parametrize("kind", [FolderSource, TarSource])
    def test_class_folders_are_numbered_by_the_package(self, tmp_path, package, kind):
        install(package)
        names = [f"val/{CLASSES[3]}/b.JPEG", f"val/{CLASSES[3]}/{CLASSES[3]}_1.JPEG",
                 f"{CLASSES[999]}/a.JPEG"]  # fmt: skip
        found = find_labels(folder_of(tmp_path / "d", names, kind), None)
        assert found.labels == (999, 3, 3)
        assert found.synsets == CLASSES

    def test_names_that_begin_with_a_wnid(self, tmp_path, package):
        install(package)
        source = folder_of(tmp_path, [f"x/{CLASSES[8]}_cock.JPEG", f"{CLASSES[4]}_12.JPEG"])
        assert find_labels(source, None).labels == (4, 8)

    def test_a_tree_of_exactly_1000_classes_needs_no_package(self, tmp_path):
        source = folder_of(tmp_path, [f"{wnid}/x.JPEG" for wnid in CLASSES])
        assert find_labels(source, None).labels == tuple(range(1000))
        source = folder_of(tmp_path, [f"{wnid}/x.JPEG" for wnid in CLASSES[1:]])
        assert_refused(source, None, "say 999 different WNIDs", advice="resnet50-bench[labels]")

    def test_1000_other_classes_are_not_numbered(self, tmp_path):
        source = folder_of(tmp_path, [f"n{number:08d}/x.JPEG" for number in range(1000)])
        assert_refused(source, None, "its 1000 synsets are not those of ILSVRC2012")

    def test_a_wnid_that_is_no_class_is_named(self, tmp_path, package):
        install(package)
        source = folder_of(tmp_path, ["n00000001/x.JPEG"])
        assert_refused(source, None, "image n00000001/x.JPEG: n00000001 is none of the 1000 ")

    def test_a_folder_and_a_name_that_disagree_are_refused(self, tmp_path, package):
        install(package)
        source = folder_of(tmp_path, [f"{CLASSES[1]}/{CLASSES[2]}_1.JPEG"])
        assert_refused(source, None, f"its folder says {CLASSES[1]} and its name {CLASSES[2]}")

    def test_subfolders_are_not_taken_for_classes(self, tmp_path, package):
        install(package)
        for names in (["cats/1.JPEG", "dogs/1.JPEG"], [f"{CLASSES[1]}/more/1.JPEG"],
                      [f"x{CLASSES[1]}/1.JPEG", f"{CLASSES[1]}9/1.JPEG", f"{CLASSES[1]}.JPEG"]):  # fmt: skip
            assert_refused(folder_of(tmp_path, names), None, "there are no labels for its")

    def test_a_tree_with_images_outside_of_it_is_told(self, tmp_path, package):
        install(package)
        source = folder_of(tmp_path, [f"{CLASSES[1]}/1.JPEG", "stray.JPEG"])
        assert_refused(source, None, "but others are not, such as stray.JPEG")

    @pytest.mark.parametrize("place", [".", "inner"])
    def test_a_file_in_or_beside_the_dataset(self, tmp_path, place):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / "val_map.txt").write_text("a.JPEG 5\n")
        source = folder_of(tmp_path / "inner", ["a.JPEG"])
        found = find_labels(source, None)
        path = tmp_path / place / "val_map.txt"
        assert found == LabelSet((5,), f"classes by name in {path}")

    def test_a_file_beside_a_tar(self, tmp_path, package):
        install(package)
        (tmp_path / "synset_labels.txt").write_text(f"{CLASSES[6]}\n{CLASSES[2]}\n")
        source = folder_of(tmp_path / "x.tar", ["b.JPEG", "a.JPEG"], TarSource)
        assert find_labels(source, None).labels == (6, 2)

    def test_a_wrong_file_beside_the_dataset_is_not_passed_over(self, tmp_path, package):
        install(package)
        (tmp_path / "val_map.txt").write_text("a.JPEG 5\nb.JPEG x\n")
        source = folder_of(tmp_path, [val_name(1)])
        assert_refused(source, None, f"{tmp_path / 'val_map.txt'}: line 2: is not a name and a cl")

    def test_validation_labels_of_the_package(self, tmp_path, package):
        install(package)
        source = folder_of(tmp_path, [f"x/{val_name(1)}", val_name(777), val_name(ALL)])
        found = find_labels(source, None)
        assert found.labels == (TRUTH[776], TRUTH[ALL - 1], TRUTH[0])
        assert found.origin == "validation labels of the package tensorflow-datasets"

    @pytest.mark.parametrize("name", [val_name(0), val_name(ALL + 1), "ILSVRC2012_val_1.JPEG"])
    def test_another_name_among_validation_images_is_told(self, tmp_path, package, name):
        install(package)
        source = folder_of(tmp_path, [val_name(1), name])
        assert_refused(
            source, None, f"not all are named ILSVRC2012_val_000NNNNN.JPEG, such as {name}"
        )

    def test_without_the_package_the_error_says_what_to_install_and_where_to_put_a_file(
        self, tmp_path
    ):
        source = folder_of(tmp_path / "val", [val_name(1)])
        with pytest.raises(DatasetError) as caught:
            find_labels(source, None)
        assert caught.value.message == (
            f"--dataset {tmp_path / 'val'}: there are no labels for its 1 images; "
            "tensorflow-datasets is not installed, whose labels would fit their names"
        )
        assert "pip install 'resnet50-bench[labels]'" in caught.value.advice
        assert f"It may also lie in {tmp_path}," in caught.value.advice
        assert "give --labels PATH" in caught.value.advice

    @pytest.mark.parametrize(
        ("classes", "truth"),
        [(CLASSES[::-1], TRUTH), (CLASSES[:999], TRUTH), (CLASSES, TRUTH[1:])],
        ids=["order", "classes", "images"],
    )
    def test_a_package_that_is_not_as_expected(self, tmp_path, package, classes, truth):
        install(package, classes, truth)
        source = folder_of(tmp_path, [val_name(1)])
        assert_refused(source, None, "does not hold", advice="install tensorflow-datasets again")


class TestValMap:
    def test_names_with_and_without_folders(self, tmp_path):
        path = tmp_path / "anything"
        path.write_text("val/a.JPEG 0\r\n./b c.JPEG\t999\n\nd.JPEG  5\nunused.JPEG 1\n")
        source = folder_of(tmp_path, ["a.JPEG", "b c.JPEG", "x/y/d.JPEG"])
        found = find_labels(source, path)
        assert found == LabelSet((0, 999, 5), f"classes by name in {path}")

    def test_a_whole_name_counts_before_its_end(self, tmp_path):
        path = tmp_path / "map"
        path.write_text("x/a.JPEG 1\ny/a.JPEG 2\n")
        assert find_labels(folder_of(tmp_path, ["x/a.JPEG", "y/a.JPEG"]), path).labels == (1, 2)

    @pytest.mark.parametrize(
        ("lines", "names"),
        [
            ("a.JPEG 1", ["x/a.JPEG", "y/a.JPEG"]),
            ("x/a.JPEG 1\ny/a.JPEG 2", ["a.JPEG"]),
            ("x/a.JPEG 1", ["y/a.JPEG"]),
            ("a.JPEG 1", ["ba.JPEG"]),
        ],
    )
    def test_what_could_be_another_image_is_not_guessed(self, tmp_path, lines, names):
        (tmp_path / "map").write_text(lines)
        assert_refused(
            folder_of(tmp_path, names),
            tmp_path / "map",
            f"--labels {tmp_path / 'map'}: {len(names)} of {len(names)} images have no label of "
            f"their own there, the first: {names[0]}",
        )

    @pytest.mark.parametrize(
        ("text", "message"),
        [
            ("a.JPEG 5\nb.JPEG -1\n", "line 2: class -1 is not 0..999"),
            ("a.JPEG 0\nb.JPEG 1000\n", "line 2: class 1000 is not 0..999"),
            ("a.JPEG 5\nb.JPEG 1001\n", "line 2: class 1001 is not 0..999"),
            ("a.JPEG 5\n\n 6\n", "line 3: is not a name and a class: '6'"),
            ("name class\na.JPEG 5\n", "line 1: is not a name and a class: 'name class'"),
            ("a.JPEG 5\nb.JPEG 5.5\n", "line 2: is not a name and a class"),
            ("a.JPEG 5\nb.JPEG ٣\n", "line 2: is not a name and a class"),
            ("a.JPEG 5\n./a.JPEG 6\n", "line 2: ./a.JPEG has another class before"),
            ("a.JPEG 5\n", "1 of 2 images have no label of their own there, the first: b.JPEG"),
        ],
    )
    def test_a_wrong_line_is_named(self, tmp_path, text, message):
        path = tmp_path / "map"
        path.write_text(text)
        source = folder_of(tmp_path, ["a.JPEG", "b.JPEG"])
        assert_refused(source, path, f"--labels {path}: {message}")

    def test_classes_counted_from_one_are_refused(self, tmp_path):
        path = tmp_path / "map"
        path.write_text("".join(f"{val_name(n)} {n}\n" for n in range(1, 1001)))
        source = folder_of(tmp_path, [val_name(1)])
        assert_refused(
            source,
            path,
            f"--labels {path}: has class 1000 and no class 0: its classes are counted from 1, and "
            "must be counted from 0",
            advice="subtract 1",
        )

    def test_classes_that_may_be_shifted_are_accepted_when_they_are_possible(self, tmp_path):
        path = tmp_path / "map"
        path.write_text("".join(f"{val_name(n)} {n}\n" for n in range(1, 1000)))
        assert find_labels(folder_of(tmp_path, [val_name(1)]), path).labels == (1,)


class TestSynsetLabels:
    def test_lines_of_all_images_are_found_by_number(self, tmp_path):
        path = tmp_path / "list"
        path.write_text("".join(f"{CLASSES[n]}\n" for n in TRUTH))
        source = folder_of(tmp_path, [val_name(50), f"x/{val_name(3)}"])
        found = find_labels(source, path)
        assert found.labels == (TRUTH[49], TRUTH[2])
        assert found.synsets == CLASSES
        assert found.origin == f"synsets in the order of the images in {path}"

    def test_lines_in_the_order_of_file_names_whatever_the_folders(self, tmp_path, package):
        install(package)
        path = tmp_path / "list"
        path.write_text("".join(f"{CLASSES[n]}\n" for n in (5, 6, 7)))
        source = folder_of(tmp_path, ["x/3.JPEG", "y/1.JPEG", "z/2.JPEG"])
        assert find_labels(source, path).labels == (7, 5, 6)

    @pytest.mark.parametrize(
        ("lines", "message"),
        [
            ([CLASSES[5]], "has 1 lines, but the dataset has 2 images"),
            ([CLASSES[5]] * 3, "has 3 lines, but the dataset has 2 images"),
            ([CLASSES[5], "tench"], "line 2: is not a synset (WNID): 'tench'"),
            (["synset", CLASSES[5]], "line 1: is not a synset (WNID): 'synset'"),
            ([CLASSES[5], "", CLASSES[5]], "line 2: is empty"),
            ([CLASSES[5], "n00000000"], "line 2: n00000000 is none of the 1000 classes"),
        ],
    )
    def test_a_wrong_list_is_refused(self, tmp_path, package, lines, message):
        install(package)
        path = tmp_path / "list"
        path.write_text("\n".join(lines) + "\n")
        source = folder_of(tmp_path, ["a.JPEG", "b.JPEG"])
        assert_refused(source, path, f"--labels {path}: {message}")

    def test_two_images_of_one_file_name_have_no_order(self, tmp_path, package):
        install(package)
        path = tmp_path / "list"
        path.write_text(f"{CLASSES[5]}\n{CLASSES[6]}\n")
        source = folder_of(tmp_path, ["x/a.JPEG", "y/a.JPEG"])
        assert_refused(source, path, "several images are named a.JPEG")

    def test_few_classes_without_the_package_cannot_be_numbered(self, tmp_path):
        path = tmp_path / "list"
        path.write_text(f"{CLASSES[5]}\n")
        assert_refused(
            folder_of(tmp_path, ["a.JPEG"]),
            path,
            "has 1 different synsets",
            advice="resnet50-bench[labels]",
        )

    def test_the_list_of_the_classes_is_not_taken_for_labels(self, tmp_path):
        path = tmp_path / "list"
        path.write_text("\n".join(CLASSES))
        source = folder_of(tmp_path, [f"{n:04d}.JPEG" for n in range(1000)])
        assert_refused(source, path, "is the list of the 1000 classes, not the images' labels")


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
        assert found == LabelSet(self.EXPECTED, f"ground truth of the devkit in {path}", CLASSES)
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
        assert_refused(folder_of(tmp_path, self.NAMES), path, "is too large to be the devkit")

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


class TestOtherPaths:
    @pytest.mark.parametrize(
        ("data", "message"),
        [
            (b"", "is not a list of labels"),
            (b"\x89PNG\0\0\0", "is not a list of labels"),
            (b"hello\nworld\n", "is not a list of labels"),
            (b"490\n361\n", "has numbers without names, as the devkit's ground truth"),
        ],
    )
    def test_files_of_other_kinds(self, tmp_path, data, message):
        path = tmp_path / "val_map.txt"
        path.write_bytes(data)
        assert_refused(folder_of(tmp_path, ["a.JPEG"]), path, f"--labels {path}: {message}")

    def test_what_is_not_there(self, tmp_path):
        source = folder_of(tmp_path, ["a.JPEG"])
        assert_refused(source, tmp_path / "no", f"--labels {tmp_path / 'no'}: does not exist")
        assert_refused(source, tmp_path, "is a folder without data/ILSVRC2012_validation_ground_")

    def test_an_endless_file_is_not_read(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        source = folder_of(tmp_path, ["a.JPEG"])
        assert_refused(source, tmp_path / "pipe", "is not a regular file")
        with (tmp_path / "huge").open("wb") as file:
            file.truncate(65 << 20)
        assert_refused(source, tmp_path / "huge", "is larger than 64 MiB")


def test_the_installed_package_has_the_classes_in_order():
    """Read from the real package where it is installed, in a process without this file's patch."""
    code = (
        "import sys\n"
        "from resnet50_bench.data.labels.installed import find_classes, read_validation_synsets\n"
        "classes = find_classes()\n"
        "print(classes and (classes[0], classes[65], read_validation_synsets()[0]))\n"
        "print(sorted({'tensorflow', 'tensorflow_datasets', 'numpy'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    first, second = done.stdout.splitlines()
    assert first in ("None", "('n01440764', 'n01751748', 'n01751748')")
    assert second == "[]"
