from __future__ import annotations

from dataclasses import dataclass

import pytest
from tests.labels import ALL, CLASSES, assert_refused, folder_of, val_name
from tests.tfrecords import image_example, write_shard

from resnet50_bench.data.labels.classes import read_classes
from resnet50_bench.data.labels.find import find_labels
from resnet50_bench.data.labels.matching import LabelSet
from resnet50_bench.data.sources import (
    FolderSource,
    ImageRef,
    TarSource,
    TFRecordSource,
    open_source,
)
from resnet50_bench.data.sources.base import OwnLabels
from resnet50_bench.errors import DatasetError

IDS = {item.wnid: item.ilsvrc2012_id for item in read_classes()}


class TestFound:
    def test_labels_of_the_images_themselves_come_first(self, tmp_path):
        (tmp_path / "val_map.txt").write_text("a.JPEG 5\nb.JPEG 6\n")
        refs = (ImageRef("a.JPEG", 1, 0, "s", 7), ImageRef("b.JPEG", 1, 0, "s", 999))
        assert find_labels(TFRecordSource(tmp_path, refs), None) == LabelSet(
            (7, 999), "image/class/label of the TFRecords", "synset:1"
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
    def test_class_folders_are_numbered_in_the_order_of_the_synsets(self, tmp_path, kind):
        names = [f"val/{CLASSES[3]}/b.JPEG", f"val/{CLASSES[3]}/{CLASSES[3]}_1.JPEG",
                 f"{CLASSES[999]}/a.JPEG"]  # fmt: skip
        found = find_labels(folder_of(tmp_path / "d", names, kind), None)
        assert found == LabelSet(
            (999, 3, 3), "WNIDs in the names of the images or their folders", order=None
        )

    def test_names_that_begin_with_a_wnid(self, tmp_path):
        source = folder_of(tmp_path, [f"x/{CLASSES[8]}_cock.JPEG", f"{CLASSES[4]}_12.JPEG"])
        assert find_labels(source, None).labels == (4, 8)

    def test_a_wnid_that_is_no_class_is_named(self, tmp_path):
        source = folder_of(tmp_path, ["n00000001/x.JPEG"])
        assert_refused(source, None, "image n00000001/x.JPEG: n00000001 is none of the 1000 ")

    def test_a_folder_and_a_name_that_disagree_are_refused(self, tmp_path):
        source = folder_of(tmp_path, [f"{CLASSES[1]}/{CLASSES[2]}_1.JPEG"])
        assert_refused(source, None, f"its folder says {CLASSES[1]} and its name {CLASSES[2]}")

    def test_subfolders_are_not_taken_for_classes(self, tmp_path):
        for names in (["cats/1.JPEG", "dogs/1.JPEG"], [f"{CLASSES[1]}/more/1.JPEG"],
                      [f"x{CLASSES[1]}/1.JPEG", f"{CLASSES[1]}9/1.JPEG", f"{CLASSES[1]}.JPEG"]):  # fmt: skip
            assert_refused(folder_of(tmp_path, names), None, "there are no labels for its")

    def test_a_tree_with_images_outside_of_it_is_told(self, tmp_path):
        source = folder_of(tmp_path, [f"{CLASSES[1]}/1.JPEG", "stray.JPEG"])
        assert_refused(source, None, "but others are not, such as stray.JPEG")

    @pytest.mark.parametrize("place", [".", "inner"])
    def test_a_file_in_or_beside_the_dataset(self, tmp_path, place):
        (tmp_path / place).mkdir(exist_ok=True)
        (tmp_path / place / "val_map.txt").write_text("a.JPEG 5\n")
        source = folder_of(tmp_path / "inner", ["a.JPEG"])
        found = find_labels(source, None)
        path = tmp_path / place / "val_map.txt"
        assert found == LabelSet((5,), f"spaces, classes, 1 names, in {path}")

    def test_a_file_beside_a_tar(self, tmp_path):
        (tmp_path / "synset_labels.txt").write_text(f"{CLASSES[6]}\n{CLASSES[2]}\n")
        source = folder_of(tmp_path / "x.tar", ["b.JPEG", "a.JPEG"], TarSource)
        assert find_labels(source, None).labels == (6, 2)

    def test_a_wrong_file_beside_the_dataset_is_not_passed_over(self, tmp_path):
        (tmp_path / "val_map.txt").write_text("a.JPEG 5\nb.JPEG x\n")
        source = folder_of(tmp_path, [val_name(1)])
        assert_refused(source, None, f"{tmp_path / 'val_map.txt'}: line 2: is not a name and a cl")

    def test_the_plain_validation_set_needs_no_label_file(self, tmp_path):
        source = folder_of(tmp_path, [f"x/{val_name(1)}", val_name(2), val_name(ALL)])
        found = find_labels(source, None)
        # What the devkit says of the second, the last and the first.
        assert [CLASSES[label] for label in found.labels] == ["n09193705", "n02437616", "n01751748"]
        assert found.order is None
        assert found.origin == "ILSVRC2012's validation labels, by the images' numbers"

    @pytest.mark.parametrize("name", [val_name(0), val_name(ALL + 1), "ILSVRC2012_val_1.JPEG"])
    def test_another_name_among_validation_images_is_told(self, tmp_path, name):
        source = folder_of(tmp_path, [val_name(1), name])
        assert_refused(
            source, None, f"not all are named ILSVRC2012_val_000NNNNN.JPEG, such as {name}"
        )

    def test_the_error_says_what_to_give_and_where_to_put_it(self, tmp_path):
        source = folder_of(tmp_path / "val", ["a.JPEG"])
        with pytest.raises(DatasetError) as caught:
            find_labels(source, None)
        assert caught.value.message == (
            f"--dataset {tmp_path / 'val'}: there are no labels for its 1 images"
        )
        assert f"It may also lie in {tmp_path}," in caught.value.advice
        assert "give --labels PATH" in caught.value.advice


class TestOwnClasses:
    """A source that names its classes itself, as Parquet's metadata does, numbers them its own way."""

    BY_ID = tuple(sorted(CLASSES, key=lambda wnid: IDS[wnid]))

    def source(self, tmp_path, classes, labels=(0, 999)):
        @dataclass(frozen=True)
        class Named(FolderSource):
            own_labels = OwnLabels("column label", classes)

        refs = (ImageRef(f"{label}.jpg", 1, None, None, label) for label in labels)
        return Named(tmp_path, tuple(refs))

    def test_its_names_say_what_a_number_is(self, tmp_path):
        found = find_labels(self.source(tmp_path, self.BY_ID), None)
        assert [CLASSES[label] for label in found.labels] == ["n02119789", "n03255030"]
        assert found.order is None
        assert found.origin == "column label, by its own names of the classes"
        assert find_labels(self.source(tmp_path, CLASSES), None).labels == (0, 999)

    def test_names_of_other_classes_are_refused(self, tmp_path):
        source = self.source(tmp_path, ("cat", "dog"))
        assert_refused(
            source, None, "the names of its classes: lists 2 classes, not 1000", advice=""
        )
