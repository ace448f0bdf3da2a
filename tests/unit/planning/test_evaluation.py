"""Which images of an evaluation calibrated int8."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from resnet50_bench.data.sources import ImageRef
from resnet50_bench.errors import ModelError
from resnet50_bench.model import CalibrationRequest
from resnet50_bench.model.calibration import select_calibration
from resnet50_bench.planning.evaluation import EvaluationPlan, find_calibrating

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
