"""The thin model in an engine, and how the engine's answers are held to TensorFlow's."""

from __future__ import annotations

import importlib
import os
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet50_bench.config import Precision
from resnet50_bench.engines import ConvertRequest, LoadRequest
from resnet50_bench.instance.streams import Stream
from resnet50_bench.model.graph.probe import plan_probe_images

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from resnet50_bench.engines import Engine, Images, Loaded, Scores

CPUS = sorted(os.sched_getaffinity(0))
IMAGES = plan_probe_images(5, seed=1)
CALIBRATION_IMAGES = 8
MOST_DIFFERENT = 0.3
"""Of the probability, in the mean of the images: what rounding may move from class to class."""


@dataclass(frozen=True)
class ThinEngine:
    """An engine with what it loads of the thin model.

    Attributes:
        engine: which.
        models: precision -> the model's path.
        plain: the prepared graph, as TensorFlow loads it.
    """

    engine: Engine
    models: dict[Precision, Path]
    plain: Path

    def load(self, precision: Precision = Precision.AVX_FP32, **changes: Any) -> Loaded:
        """Load it for two threads and four images, but for the changes."""
        request = LoadRequest(self.models[precision], precision, threads=2, batch_size=4)
        return self.engine.load(replace(request, **changes))

    def check_answers(self, count: int, rest: int) -> None:
        """Hold float32 to a plain session, by one caller, by two and by streams.

        Args:
            count: images of a query.
            rest: of a query of another size, such as an evaluation's last.
        """
        expected = compute_plain_scores(self.plain, IMAGES[:count])
        one = self.load(batch_size=count)
        two = self.load(batch_size=count, options={"callers": "2"})
        shared = self.load(batch_size=count, streams=2)
        streams = [Stream(cpus, shared) for cpus in (CPUS[:1], CPUS[-1:], CPUS[:2])]
        for images in (count, rest):
            batch = IMAGES[:images]
            at_once = [stream.submit(stream.query, batch) for stream in streams]
            found = [one.run(batch), two.run(batch), *(each.result() for each in at_once)]
            for scores in found:
                np.testing.assert_allclose(scores, expected[:images], atol=1e-6)
        for item in (*streams, one, two, shared):
            item.close()

    def check_rounded_answers(self, precision: Precision) -> None:
        """See that answers are not float32's, and near them."""
        loaded = self.load(precision)
        images = IMAGES[:4]
        difference = np.abs(loaded.run(images) - compute_plain_scores(self.plain, images))
        loaded.close()
        assert difference.max() > 1e-6
        assert difference.sum(axis=1).mean() / 2 < MOST_DIFFERENT


def make_thin_engine(
    engine: Engine, plain: Path, folder: Path, precisions: Iterable[Precision]
) -> ThinEngine:
    """Convert the thin model for an engine, laid out as the cache has it."""
    models = {}
    for precision in precisions:
        form = engine.forms[precision]
        if form.converter is None:
            models[precision] = plain
            continue
        output = folder / "converted" / precision.value / "model"
        output.mkdir(parents=True)
        count = CALIBRATION_IMAGES if form.calibrates else 0
        images = plan_probe_images(CALIBRATION_IMAGES, seed=3)[:count]
        request = ConvertRequest(graph=plain, precision=precision, output=output, images=images,
                                 on_progress=lambda _: None)  # fmt: skip
        assert importlib.import_module(form.converter).convert(request)
        models[precision] = output
    return ThinEngine(engine, models, plain)


def compute_plain_scores(path: Path, images: Images) -> Scores:
    """Return what a session of TensorFlow without any of our settings answers."""
    import tensorflow as tf

    graph = tf.Graph()
    with graph.as_default():
        tf.import_graph_def(tf.compat.v1.GraphDef.FromString(path.read_bytes()), name="")
    with tf.compat.v1.Session(graph=graph) as session:
        scores: Scores = session.run("softmax_tensor:0", {"input_tensor:0": images})
        return scores
