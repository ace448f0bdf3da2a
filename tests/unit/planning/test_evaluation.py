"""What an evaluation is to see: labels in which order, and which images calibrated int8."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from resnet50_bench.config import Mode, RunConfig
from resnet50_bench.data.labels.classes import read_classes
from resnet50_bench.data.sources import FolderSource, ImageRef
from resnet50_bench.errors import DatasetError, ModelError
from resnet50_bench.model import CalibrationRequest
from resnet50_bench.model.calibration import select_calibration
from resnet50_bench.planning.evaluation import (
    EvaluationPlan,
    check_outputs,
    find_calibrating,
    plan_evaluation,
)

REFS = tuple(
    ImageRef(name=f"{number:03}.jpg", offset=0, size_bytes=number) for number in range(300)
)
REQUEST = CalibrationRequest(dataset=Path("photos"), listed=REFS)


def plan(refs: tuple[ImageRef, ...]) -> EvaluationPlan:
    return EvaluationPlan(
        path=Path("photos"),
        refs=refs,
        labels=(0,) * len(refs),
        labels_origin="made up",
        dataset_images=len(REFS),
        places=tuple(range(len(refs))),
    )


def test_generated_images_are_none_of_them():
    assert find_calibrating(plan(REFS), None) == ()
    assert find_calibrating(plan(REFS), CalibrationRequest(seed=3)) == ()


def test_all_that_were_chosen_are_found_where_they_stand():
    found = find_calibrating(plan(REFS), REQUEST)
    assert len(found) == 128
    assert {REFS[position] for position in found} == set(select_calibration(REQUEST).refs)
    assert list(found) == sorted(found)


def test_those_held_out_to_judge_the_graph_did_not_calibrate():
    held_out = select_calibration(REQUEST).held_out
    assert held_out
    assert find_calibrating(plan(held_out), REQUEST) == ()


def test_positions_are_those_of_the_evaluation_not_of_the_dataset():
    sample = REFS[1::7]
    found = find_calibrating(plan(sample), REQUEST)
    chosen = set(select_calibration(REQUEST).refs)
    assert found == tuple(place for place, ref in enumerate(sample) if ref in chosen)
    assert 0 < len(found) < len(sample)


def test_an_image_of_the_same_name_and_another_size_is_another_image():
    others = tuple(replace(ref, size_bytes=ref.size_bytes + 1) for ref in REFS)
    assert find_calibrating(plan(others), REQUEST) == ()


def test_a_copy_elsewhere_with_the_same_names_and_sizes_is_the_same_images(tmp_path):
    for ref in REFS:
        (tmp_path / ref.name).write_bytes(b"x" * ref.size_bytes)
    found = find_calibrating(plan(REFS), CalibrationRequest(dataset=tmp_path))
    assert found == find_calibrating(plan(REFS), REQUEST)


def test_images_that_cannot_be_listed_are_told_by_their_flag(tmp_path):
    with pytest.raises(ModelError, match="--calibration"):
        find_calibrating(plan(REFS), CalibrationRequest(dataset=tmp_path / "none"))


def plan_photos(tmp_path, order: str) -> EvaluationPlan:
    """Two images of the classes 0 and 278, whose ILSVRC2012_IDs are 449 and 1."""
    (tmp_path / "labels").write_text("a.jpg n01440764\nb.jpg n02119789\n")
    source = FolderSource(tmp_path, (ImageRef("a.jpg", 1, None), ImageRef("b.jpg", 1, None)))
    labels = str(tmp_path / "labels")
    found = plan_evaluation(
        RunConfig(mode=Mode.ACCURACY, dataset=str(tmp_path), labels=labels, class_order=order),
        source,
    )
    assert found is not None
    return found


def test_the_order_of_the_outputs_numbers_the_labels(tmp_path):
    assert [read_classes()[label].ilsvrc2012_id for label in (0, 278)] == [449, 1]
    found = plan_photos(tmp_path, "outputs:ilsvrc2012-id")
    assert found.labels == (448, 0)
    assert (found.labels_order, found.outputs_order) == (None, "outputs:ilsvrc2012-id")
    assert found.class_offset is None
    found = plan_photos(tmp_path, "outputs:synset:0")
    assert found.labels == (0, 278)
    assert found.class_offset == 0
    check_outputs(found, 1001)
    check_outputs(found, 1000)
    found = plan_photos(tmp_path, "outputs:synset:1")
    with pytest.raises(
        DatasetError, match=r"outputs 1\.\.1000, and the model has outputs 0\.\.999"
    ):
        check_outputs(found, 1000)


@pytest.mark.parametrize(
    ("order", "message"),
    [
        ("synset:1", "says what the labels' numbers count by, and the labels name the classes"),
        ("sorted", "--class-order sorted: is no order, and there is no such file"),
    ],
)
def test_an_order_without_use_is_refused(tmp_path, order, message):
    with pytest.raises(DatasetError, match=message):
        plan_photos(tmp_path, order)
