"""Names that carry labels, as `ILSVRC2012_val_00000001_n01440764.JPEG`."""

from __future__ import annotations

import pytest
from tests.archives import write_tar
from tests.labels import CLASSES

from resnet50_bench.data.labels.agreement import require_agreement
from resnet50_bench.data.labels.find import find_labels
from resnet50_bench.data.labels.matching import pick_by_number
from resnet50_bench.data.labels.problem import LabelProblem
from resnet50_bench.data.labels.wnids import find_wnids
from resnet50_bench.data.sources import open_source
from resnet50_bench.errors import DatasetError


def hub_name(number: int, label: int) -> str:
    return f"ILSVRC2012_val_{number:08d}_{CLASSES[label]}.JPEG"


@pytest.fixture
def tar(tmp_path):
    return write_tar(
        tmp_path / "val_images.tar",
        {hub_name(1, 65): b"x", hub_name(2, 970): b"y", hub_name(3, 65): b"z"},
    )


def test_the_label_in_the_name_is_used(tar):
    found = find_labels(open_source(tar), None)
    assert found.labels == (65, 970, 65)
    assert found.origin == "WNIDs in the names of the images or their folders"


def test_a_label_file_that_agrees_is_used(tar, tmp_path):
    (tmp_path / "l.txt").write_text(
        "".join(f"{hub_name(n, c)} {c}\n" for n, c in ((1, 65), (2, 970), (3, 65)))
    )
    found = find_labels(open_source(tar), tmp_path / "l.txt")
    assert found.labels == (65, 970, 65)
    assert found.origin.startswith("spaces, classes, 3 names, in ")


def test_a_label_file_that_contradicts_the_name_is_reported_with_both(tar, tmp_path):
    (tmp_path / "l.txt").write_text(
        "".join(f"{hub_name(n, c)} {v}\n" for n, c, v in ((1, 65, 65), (2, 970, 3), (3, 65, 4)))
    )
    with pytest.raises(DatasetError) as caught:
        find_labels(open_source(tar), tmp_path / "l.txt")
    assert caught.value.message == (
        f"names and labels contradict each other: 2 of 3 images, the first: {hub_name(2, 970)}: its "
        f"name says {CLASSES[970]} (class 970), but its label is 3, by spaces, classes, "
        f"3 names, in {tmp_path / 'l.txt'}"
    )
    assert "without --labels" in caught.value.advice


def test_the_number_in_such_a_name_finds_its_line_of_50000_synsets(tar, tmp_path):
    lines = [CLASSES[1]] * 50_000
    lines[:3] = [CLASSES[65], CLASSES[970], CLASSES[65]]
    (tmp_path / "s.txt").write_text("\n".join(lines))
    assert find_labels(open_source(tar), tmp_path / "s.txt").labels == (65, 970, 65)
    assert pick_by_number([hub_name(50_000, 1)]) == [50_000]


def test_a_synset_that_is_none_of_the_classes_contradicts_every_label():
    with pytest.raises(LabelProblem, match=r"n99999999 \(none of the 1000\), but its label is 4"):
        require_agreement([4], ["a_n99999999.jpg"], "a file")


def test_a_wnid_at_either_end_of_a_name_or_in_the_folder():
    names = [
        "n00000001_x_n00000001.jpg",
        "x_n00000002.JPEG",
        "n00000003/x_n00000003.JPEG",
        "xn00000004.jpg",
    ]
    assert find_wnids(names) == ["n00000001", "n00000002", "n00000003", None]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("n00000001_x_n00000002.jpg", "its name says n00000001 and n00000002"),
        ("n00000001/x_n00000002.jpg", "its folder says n00000001 and its name n00000002"),
    ],
)
def test_a_name_that_contradicts_itself_is_refused(name, message):
    with pytest.raises(LabelProblem, match=message):
        find_wnids([name])
