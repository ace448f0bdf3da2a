"""Builds what accuracy mode leaves behind: answers to images, and records that hold them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from tests.records import MS, make_instance, make_manifest, make_record

from resnet50_bench.config import DataType, Mode, Precision, RunConfig
from resnet50_bench.instance.predictions import Prediction, pack_row
from resnet50_bench.results.record import Dataset, Evaluation, Record

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Answer = tuple[int, float]
"""The most probable class, as a label 0..999, and its score; -1 is background."""


def name_image(number: int) -> str:
    return f"ILSVRC2012_val_{number + 1:08d}.JPEG"


def pack_answers(answers: Mapping[int, Answer | Sequence[int]], classes: int = 1001) -> bytes:
    """Rows by position. An answer is a class and its score, or all five classes as a list."""
    offset = classes - 1000
    rows = []
    for position, answer in answers.items():
        if isinstance(answer, tuple):
            first, score = answer
            five = [first, *[(first + step) % 1000 for step in (7, 14, 21, 28)]]
        else:
            five, score = list(answer), 0.5
        scores = (score, *[(1 - score) / 8] * 4)
        rows.append(pack_row(Prediction(position, tuple(item + offset for item in five), scores)))
    return b"".join(rows)


def make_evaluation(
    labels: Sequence[int],
    answers: Mapping[int, Answer | Sequence[int]],
    **changes: Any,
) -> Evaluation:
    """Answers by position; images without one were not seen."""
    fields = {
        "preprocessing": "mlperf",
        "labels_origin": "val_map.txt: 1000 classes",
        "classes": 1001,
        "dataset_images": len(labels),
        "images": tuple(name_image(number) for number in range(len(labels))),
        "labels": tuple(labels),
    } | changes
    return Evaluation(**fields, rows=pack_answers(answers, fields["classes"]))


def make_accuracy_record(
    evaluation: Evaluation | None, precision: Precision = Precision.AVX_FP32, **changes: Any
) -> Record:
    """A completed run in accuracy mode."""
    config = RunConfig(
        mode=Mode.ACCURACY,
        precision=precision,
        data_type=DataType.REAL,
        dataset="val.tar",
        model="resnet50_v1.pb",
        cores_per_instance=2,
        instances=2,
    )
    fields = {
        "run_id": f"20260102T030405Z-accuracy-{precision.value}",
        "model": make_manifest(precision=precision),
        "evaluation": evaluation,
        "instances": [make_instance(number, prepare_ns=(MS,) * 40) for number in (0, 1)],
        "dataset": Dataset(path="val.tar", description="tar val.tar", images=10, skipped=()),
    }
    return make_record(config, **(fields | changes))
