"""Models made once for all tests of this folder: the full one, and thin ones of an eighth."""

import functools
import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.engines.emulation import compare_on_fewer_images, skip_if_emulated
from tests.labelled import (
    KINDS,
    FittedModel,
    LabelledSet,
    Mistake,
    compute_features,
    fit_model,
    make_labelled_set,
    prepare_images,
    write_fitted_model,
)

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import LoadRequest
from resnet50_bench.model import ModelSource, PreparedModel, prepare, toolchain
from resnet50_bench.model.cache import MODEL_FILE, plan_source_folder
from resnet50_bench.model.formats.frozen_graph import read_graph
from resnet50_bench.model.graph.architecture import Network, plan_network
from resnet50_bench.model.graph.generate import GraphStyle, build_graph
from resnet50_bench.model.graph.weights import Weights, calibrate_weights
from resnet50_bench.model.quantization import ranges
from resnet50_bench.model.recipes import find_recipe
from resnet50_bench.model.toolchain import prepare_graph

THIN = 8

# As in every process that r50 starts, and before TensorFlow is imported: by itself it uses oneDNN
# only where the CPU has VNNI or more, and its 8-bit convolutions exist nowhere else.
os.environ["TF_ENABLE_ONEDNN_OPTS"] = "1"


class FittedModels:
    """Models fitted to the labelled set, made when asked for; the features of each mistake once."""

    def __init__(self, network: Any, labelled: LabelledSet, folder: Path) -> None:
        self.labelled = labelled
        self._network = network
        self._folder = folder
        self._features: dict[Mistake, Any] = {}

    def find_features(self, mistake: Mistake = Mistake.NONE) -> Any:
        """What the network makes of the images, prepared with a mistake or without."""
        if mistake not in self._features:
            images = prepare_images(self.labelled, mistake)
            self._features[mistake] = compute_features(self._network, images)
        return self._features[mistake]

    def make(
        self, outputs: Sequence[int] | None = None, mistake: Mistake = Mistake.NONE
    ) -> FittedModel:
        """Fit a model of 1001 classes.

        Args:
            outputs: for each image; the class + 1 unless given.
            mistake: how the images it is fitted to are prepared.
        """
        if outputs is None:
            outputs = [label + 1 for label in self.labelled.labels]
        return fit_model(self.find_features(mistake), outputs)

    def write(self, mistake: Mistake = Mistake.NONE) -> Path:
        """Return the graph of the model of all classes fitted to a mistake, written once."""
        path = self._folder / f"{mistake.name}.pb"
        if not path.exists():
            write_fitted_model(path, self._network, self.make(mistake=mistake))
        return path


@dataclass(frozen=True)
class ThinModel:
    network: Network
    weights: Weights

    def build(self, **style: Any) -> Any:
        return build_graph(self.network, self.weights, GraphStyle(**style))


def _require_tensorflow() -> None:
    # Asked without importing it: some of its dependencies warn, and warnings are errors here.
    if importlib.util.find_spec("tensorflow") is None:
        pytest.skip("TensorFlow is not installed: pip install 'resnet50-bench[tensorflow]'")


@pytest.fixture(scope="session", autouse=True)
def fewer_images_if_emulated() -> None:
    compare_on_fewer_images()


@pytest.fixture(scope="session", autouse=True)
def images_drawn_once() -> None:
    """Preparations in this process calibrate with, and compare on, images that are the same."""
    draw = ranges._draw_images

    @functools.cache
    def draw_once(*which: Any) -> Any:
        images = draw(*which)
        images.flags.writeable = False
        return images

    ranges._draw_images = draw_once


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `r50` keeps models whose R50_CACHE_DIR is the folder above."""
    return tmp_path_factory.mktemp("cache") / "models"


@pytest.fixture(scope="session")
def full_model(cache: Path) -> PreparedModel:
    """The generated ResNet-50 of seed 0, prepared for float32."""
    _require_tensorflow()
    skip_if_emulated("the full width, a minute an image")
    return prepare(ModelSource.generated(0), Precision.AVX_FP32, cache, lambda _: None)


@pytest.fixture(scope="session")
def full_source(full_model: PreparedModel, cache: Path) -> ModelSource:
    """The graph that the full model was prepared from, as a user's file."""
    assert full_model.manifest.seed == 0
    return ModelSource.file(plan_source_folder(ModelSource.generated(0), cache) / MODEL_FILE)


@pytest.fixture
def full_width(monkeypatch: pytest.MonkeyPatch) -> None:
    """Preparations in this process compare on fewer images: one takes a tenth of a second."""
    monkeypatch.setattr(toolchain, "HELD_OUT_IMAGES", 16)


@pytest.fixture(scope="session")
def thin_model() -> ThinModel:
    """Weights of an eighth of the width."""
    _require_tensorflow()
    network = plan_network(THIN)
    return ThinModel(network, calibrate_weights(network, 0, lambda _: None))


@pytest.fixture(scope="session")
def thin_path(thin_model: ThinModel, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The thin model, prepared for float32."""
    path = tmp_path_factory.mktemp("thin") / "thin.pb"
    load = LoadRequest(path, Precision.AVX_FP32, threads=2, batch_size=2)
    prepare_graph(thin_model.build(), find_recipe(Precision.AVX_FP32), load, lambda _: None)
    return path


@pytest.fixture(scope="session")
def labelled(tmp_path_factory: pytest.TempPathFactory) -> LabelledSet:
    """144 images of 16 classes."""
    return make_labelled_set(tmp_path_factory.mktemp("labelled"))


@pytest.fixture(scope="session")
def few(tmp_path_factory: pytest.TempPathFactory) -> LabelledSet:
    """64 images of 16 classes, for the full width, where an image takes a tenth of a second."""
    return make_labelled_set(tmp_path_factory.mktemp("few"), 4 * KINDS)


@pytest.fixture(scope="session")
def fitted(
    full_source: ModelSource, few: LabelledSet, tmp_path_factory: pytest.TempPathFactory
) -> FittedModels:
    """Full-width models that know the few images: the full model with other last layers."""
    assert full_source.path is not None
    network = read_graph(Path(full_source.path))
    return FittedModels(network, few, tmp_path_factory.mktemp("fitted"))


@pytest.fixture(scope="session")
def fitted_thin(
    thin_model: ThinModel, labelled: LabelledSet, tmp_path_factory: pytest.TempPathFactory
) -> FittedModels:
    """The thin model with such last layers: for what does not depend on the number of filters."""
    skip_if_emulated("the features of 144 images, prepared in up to six ways")
    return FittedModels(thin_model.build(), labelled, tmp_path_factory.mktemp("fitted_thin"))
