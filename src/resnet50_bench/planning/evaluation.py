"""What an accuracy run is to see: which images, with which labels, prepared how, by whom."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.config import Mode
from resnet50_bench.data.labels.classes import CLASSES
from resnet50_bench.data.labels.find import find_labels
from resnet50_bench.data.labels.orders import read_order
from resnet50_bench.data.labels.problem import LabelProblem
from resnet50_bench.data.profiles import name_usual_profile
from resnet50_bench.errors import DatasetError
from resnet50_bench.instance.job import EvaluationRequest
from resnet50_bench.instance.predictions import find_class_offset
from resnet50_bench.model.calibration import select_calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.config import RunConfig
    from resnet50_bench.data.labels.orders import ClassOrder
    from resnet50_bench.data.sources import ImageRef, ImageSource
    from resnet50_bench.model import CalibrationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """The images of an evaluation, in order.

    Attributes:
        path: the dataset.
        refs: where each image lies.
        labels: what each shows: 0..999, in the order of the model's outputs, which is that of the
            sorted synsets unless `outputs_order` says otherwise.
        labels_origin: where the labels come from, in one line.
        labels_order: what the numbers of their origin count by; None where it names the classes.
        outputs_order: the order of the model's outputs, as asked; None for the usual.
        class_offset: the model's output that is the first class; None for the usual one.
        dataset_images: how many images the dataset has.
        places: of each image in the dataset.
    """

    path: Path
    refs: tuple[ImageRef, ...]
    labels: tuple[int, ...]
    labels_origin: str
    dataset_images: int
    places: tuple[int, ...]
    labels_order: str | None = "synset"
    outputs_order: str | None = None
    class_offset: int | None = None

    @property
    def images_sha256(self) -> str:
        """Changes with the choice, order, names, places, sizes or labels of the images."""
        digest = hashlib.sha256()
        for ref, label in zip(self.refs, self.labels, strict=True):
            digest.update(f"{ref.place}\0{label}\n".encode())
        return digest.hexdigest()


def plan_evaluation(config: RunConfig, source: ImageSource) -> EvaluationPlan | None:
    """Choose the images of an accuracy run and find their labels; None in another mode.

    With `--limit` a sample is drawn from the seed, kept in the order of the dataset.

    Raises:
        DatasetError: there are no labels, or not for every image; the class order is none; or the
            images are those that models are trained with.
    """
    if config.mode is not Mode.ACCURACY:
        return None
    if source.kind == "training tar":
        raise DatasetError(
            f"--dataset {source.path}: is a tar of tars, as ImageNet's training set is: a model's "
            "accuracy on the images it was trained with says nothing of its accuracy",
            "give --dataset the validation set, such as ILSVRC2012_img_val.tar; training images "
            "are for --calibration and for measuring speed",
        )
    count = len(source.refs)
    labels, outputs = _read_orders(config)
    path = Path(config.labels) if config.labels is not None else None
    found = find_labels(source, path, config.labels_format, labels)
    chosen: Sequence[int] = range(count)
    if config.limit is not None and config.limit < count:
        chosen = sorted(random.Random(config.seed).sample(range(count), config.limit))  # noqa: S311
    return EvaluationPlan(
        path=Path(config.dataset or "").absolute(),
        refs=tuple(source.refs[index] for index in chosen),
        labels=tuple(
            outputs.places[found.labels[index]] if outputs else found.labels[index]
            for index in chosen
        ),
        labels_origin=found.origin,
        labels_order=found.order,
        outputs_order=outputs.text if outputs else None,
        class_offset=outputs.first if outputs else None,
        dataset_images=count,
        places=tuple(chosen),
    )


def _read_orders(config: RunConfig) -> tuple[ClassOrder | None, ClassOrder | None]:
    """What labels count by, and what the model's outputs are in the order of."""
    if config.class_order is None:
        return None, None
    try:
        order = read_order(config.class_order)
    except LabelProblem as problem:
        raise DatasetError(str(problem), problem.advice) from problem
    return (None, order) if order.is_outputs else (order, None)


def check_outputs(plan: EvaluationPlan, classes: int) -> None:
    """Refuse a class order that needs outputs which the model has not.

    Args:
        plan: the images.
        classes: of the model: 1000 or 1001.

    Raises:
        DatasetError: the last class, or the first, would be none of the outputs.
    """
    first = find_class_offset(classes, plan.class_offset)
    if not 0 <= first <= classes - CLASSES:
        raise DatasetError(
            f"--class-order {plan.outputs_order}: the classes would be outputs {first}.."
            f"{first + CLASSES - 1}, and the model has outputs 0..{classes - 1}",
            "leave out the number behind the order, or give a model with 1001 outputs",
        )


def find_calibrating(
    plan: EvaluationPlan, calibration: CalibrationRequest | None
) -> tuple[int, ...]:
    """Return the positions of the images that calibrate int8 too, by their names and sizes.

    Raises:
        ModelError: the images to calibrate with cannot be listed.
    """
    if calibration is None:
        return ()
    chosen = {(ref.name, ref.size_bytes) for ref in select_calibration(calibration).refs}
    return tuple(
        position for position, ref in enumerate(plan.refs) if (ref.name, ref.size_bytes) in chosen
    )


def choose_preprocessing(config: RunConfig, own: str | None, classes: int) -> str:
    """Name the profile: what was asked for, else the model's own, else that of its kind.

    Args:
        config: what was asked.
        own: the profile that belongs to the model's weights; None where that is not known.
        classes: of the model.
    """
    if config.preprocessing is not None:
        return config.preprocessing.value
    return own or name_usual_profile(classes)


def count_batches(images: int, batch_size: int) -> int:
    """Return how many batches so many images make, the last one perhaps not full."""
    return -(-images // batch_size)


def plan_requests(
    plan: EvaluationPlan,
    passes: tuple[str, ...],
    positions: Sequence[int],
    shape: tuple[int, int],
    crops: Path | None = None,
) -> list[EvaluationRequest]:
    """Deal the images to the instances: whole batches in turn, no image twice.

    The batches are those of `positions` in order, so the same positions make the same batches.

    Args:
        plan: the images.
        passes: names of the preprocessing profiles.
        positions: which images, ascending.
        shape: batch size and number of instances; an instance may get nothing.
        crops: folder of the dataset's images preprocessed before.
    """
    size, instances = shape
    batches = [positions[first : first + size] for first in range(0, len(positions), size)]
    requests = []
    for instance in range(instances):
        own = tuple(position for batch in batches[instance::instances] for position in batch)
        requests.append(
            EvaluationRequest(
                path=str(plan.path),
                positions=own,
                refs=tuple(plan.refs[position] for position in own),
                passes=passes,
                crops=str(crops) if crops is not None else None,
                places=tuple(plan.places[position] for position in own) if crops else (),
            )
        )
    return requests
