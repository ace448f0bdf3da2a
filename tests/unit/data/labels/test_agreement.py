"""Names that carry labels, as `ILSVRC2012_val_00000001_n01440764.JPEG`."""

from __future__ import annotations

import pytest
from tests.archives import write_tar

from resnet50_bench.data.labels import find_labels, installed
from resnet50_bench.data.labels.agreement import require_agreement
from resnet50_bench.data.labels.matching import LabelProblem, find_wnids, pick_by_number
from resnet50_bench.data.sources import open_source
from resnet50_bench.errors import DatasetError

CLASSES = tuple(f"n{10_000_000 + 7 * number}" for number in range(1000))


@pytest.fixture
def classes(monkeypatch):
    monkeypatch.setattr(installed, "find_classes", lambda: CLASSES)


@pytest.fixture
def no_classes(monkeypatch):
    monkeypatch.setattr(installed, "find_classes", lambda: None)


def hub_name(number: int, label: int) -> str:
    return f"ILSVRC2012_val_{number:08d}_{CLASSES[label]}.JPEG"


@pytest.fixture
def tar(tmp_path):
    return write_tar(
        tmp_path / "val_images.tar",
        {hub_name(1, 65): b"x", hub_name(2, 970): b"y", hub_name(3, 65): b"z"},
    )


@pytest.mark.usefixtures("classes")
def test_the_label_in_the_name_is_used(tar):
    found = find_labels(open_source(tar), None)
    assert found.labels == (65, 970, 65)
    assert found.origin == "WNIDs in the names of the images or their folders"


@pytest.mark.usefixtures("classes")
def test_a_label_file_that_agrees_is_used(tar, tmp_path):
    (tmp_path / "l.txt").write_text(
        "".join(f"{hub_name(n, c)} {c}\n" for n, c in ((1, 65), (2, 970), (3, 65)))
    )
    found = find_labels(open_source(tar), tmp_path / "l.txt")
    assert found.labels == (65, 970, 65)
    assert found.origin.startswith("classes by name in")


@pytest.mark.usefixtures("classes")
def test_a_label_file_that_contradicts_the_name_is_reported_with_both(tar, tmp_path):
    (tmp_path / "l.txt").write_text(
        "".join(f"{hub_name(n, c)} {v}\n" for n, c, v in ((1, 65, 65), (2, 970, 3), (3, 65, 4)))
    )
    with pytest.raises(DatasetError) as caught:
        find_labels(open_source(tar), tmp_path / "l.txt")
    assert caught.value.message == (
        f"names and labels contradict each other: 2 of 3 images, the first: {hub_name(2, 970)}: its "
        f"name says {CLASSES[970]} (class 970), but its label is 3, by classes by name in "
        f"{tmp_path / 'l.txt'}"
    )
    assert "without --labels" in caught.value.advice


@pytest.mark.usefixtures("classes")
def test_the_number_in_such_a_name_finds_its_line_of_50000_synsets(tar, tmp_path):
    lines = [CLASSES[1]] * 50_000
    lines[:3] = [CLASSES[65], CLASSES[970], CLASSES[65]]
    (tmp_path / "s.txt").write_text("\n".join(lines))
    assert find_labels(open_source(tar), tmp_path / "s.txt").labels == (65, 970, 65)
    assert pick_by_number([hub_name(50_000, 1)]) == [50_000]


@pytest.mark.usefixtures("classes")
def test_a_synset_that_is_none_of_the_classes_contradicts_every_label():
    with pytest.raises(LabelProblem, match=r"n99999999 \(none of the 1000\), but its label is 4"):
        require_agreement([4], ["a_n99999999.jpg"], "a file")


@pytest.mark.usefixtures("no_classes")
class TestWithoutTheList:
    NAMES = ("a_n00000010.jpg", "b_n00000020.jpg", "c_n00000010.jpg", "plain.jpg")

    def test_numbers_in_the_order_of_the_synsets_pass(self):
        require_agreement([3, 500, 3, 0], self.NAMES, "a file")

    @pytest.mark.parametrize(
        ("labels", "images"),
        [
            ([3, 2, 3, 0], ("a_", "b_")),
            ([3, 500, 4, 0], ("a_", "c_")),
            ([3, 3, 3, 0], ("a_", "b_")),
        ],
    )
    def test_numbers_that_cannot_be_theirs_are_refused_with_both_images(self, labels, images):
        with pytest.raises(LabelProblem) as caught:
            require_agreement(labels, self.NAMES, "a file")
        first, second = images
        assert f"{first}n000000" in str(caught.value)
        assert f"{second}n000000" in str(caught.value)


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
