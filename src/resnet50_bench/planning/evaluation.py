"""What an accuracy run is to see: which images, with which labels, prepared how, by whom."""

from __future__ import annotations

import hashlib
import random
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.config import Mode, Preprocessing
from resnet50_bench.data.labels import find_labels
from resnet50_bench.data.profiles import name_usual_profile
from resnet50_bench.errors import DatasetError
from resnet50_bench.instance.job import EvaluationRequest
from resnet50_bench.model.calibration import select_calibration

if TYPE_CHECKING:
    from collections.abc import Sequence

    from resnet50_bench.config import RunConfig
    from resnet50_bench.data.sources import ImageRef, ImageSource
    from resnet50_bench.model import CalibrationRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class EvaluationPlan:
    """The images of an evaluation, in order.

    Attributes:
        path: the dataset.
        refs: where each image lies.
        labels: what each shows: 0..999 in the order of the sorted synsets.
        labels_origin: where the labels come from, in one line.
        dataset_images: how many images the dataset has.
        places: of each image in the dataset.
    """

    path: Path
    refs: tuple[ImageRef, ...]
    labels: tuple[int, ...]
    labels_origin: str
    dataset_images: int
    places: tuple[int, ...]

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
        DatasetError: there are no labels, or not for every image; or the images are those that
            models are trained with.
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
    found = find_labels(source, Path(config.labels) if config.labels is not None else None)
    chosen: Sequence[int] = range(count)
    if config.limit is not None and config.limit < count:
        chosen = sorted(random.Random(config.seed).sample(range(count), config.limit))  # noqa: S311
    return EvaluationPlan(
        path=Path(config.dataset or "").absolute(),
        refs=tuple(source.refs[index] for index in chosen),
        labels=tuple(found.labels[index] for index in chosen),
        labels_origin=found.origin,
        dataset_images=count,
        places=tuple(chosen),
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


def choose_preprocessing(config: RunConfig, classes: int) -> Preprocessing:
    """Return what was asked for, else what models of so many classes were trained with."""
    if config.preprocessing is not None:
        return config.preprocessing
    return Preprocessing(name_usual_profile(classes))


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
