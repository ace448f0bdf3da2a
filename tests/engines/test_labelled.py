"""Fitted models answer as computed beforehand, in the real runtime and in every precision."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from tests.labelled import Mistake, mislabel, prepare_images

from resnet50_bench.config import Precision
from resnet50_bench.model import ModelSource
from resnet50_bench.model.protocol import ToolchainRequest
from resnet50_bench.model.toolchain import answer_request

pytestmark = pytest.mark.tensorflow

BATCH = 16
WRONG = 16


def run_model(path: Any, images: Any) -> Any:
    """The scores of a frozen graph, by plain TensorFlow."""
    import tensorflow as tf

    graph = tf.Graph()
    definition = tf.compat.v1.GraphDef.FromString(path.read_bytes())
    with graph.as_default():
        tf.import_graph_def(definition, name="")
    with tf.compat.v1.Session(graph=graph) as session:
        batches = [images[first : first + BATCH] for first in range(0, len(images), BATCH)]
        scores = [session.run("softmax_tensor:0", {"input_tensor:0": batch}) for batch in batches]
    return np.concatenate(scores)


@pytest.fixture(scope="module")
def model(fitted):
    return fitted.make()


@pytest.fixture(scope="module")
def images(few):
    return prepare_images(few)


def test_it_knows_every_image_with_a_wide_margin(fitted, model):
    outputs = [label + 1 for label in fitted.labelled.labels]
    assert model.count_correct(outputs) == len(outputs)
    assert model.find_margins().min() > 0.9


def test_labels_made_wrong_are_missed_exactly(fitted, model):
    outputs = [label + 1 for label in mislabel(fitted.labelled.labels, WRONG)]
    assert model.count_correct(outputs) == len(outputs) - WRONG


@pytest.mark.usefixtures("full_width")
@pytest.mark.parametrize("precision", [Precision.AVX_FP32, Precision.AVX_BFLOAT16])
def test_the_prepared_model_answers_as_computed(fitted, images, tmp_path, precision):
    path = tmp_path / "model.pb"
    source = ModelSource.file(fitted.write())
    request = ToolchainRequest(source=source, output=str(path), precision=precision)
    answer_request(request, lambda _: None)
    scores = run_model(path, images)
    assert (scores.argmax(axis=1) == np.asarray(fitted.labelled.labels) + 1).all()
    bound = 1e-3 if precision is Precision.AVX_FP32 else 0.2
    assert np.abs(scores - fitted.make().score()).max() < bound


@pytest.mark.parametrize("mistake", [item for item in Mistake if item is not Mistake.NONE])
def test_a_model_fitted_to_a_mistake_needs_it(fitted_thin, mistake):
    model = fitted_thin.make(mistake=mistake)
    outputs = [label + 1 for label in fitted_thin.labelled.labels]
    assert model.count_correct(outputs) == len(outputs)
    right = model.count_correct(outputs, features=fitted_thin.find_features())
    assert right < 0.6 * len(outputs)


def test_nearly_black_images_are_told_apart_in_float32_too(fitted_thin, labelled):
    path = fitted_thin.write(Mistake.SCALED_TO_ONE)
    scores = run_model(path, prepare_images(labelled, Mistake.SCALED_TO_ONE)[:BATCH])
    assert (scores.argmax(axis=1) == np.asarray(labelled.labels[:BATCH]) + 1).all()
