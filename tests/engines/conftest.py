"""Models made once for all tests of this folder: the full one, and thin ones of an eighth."""

import importlib.util
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from resnet50_bench.config import Precision
from resnet50_bench.engines.base import LoadRequest
from resnet50_bench.model import ModelSource, PreparedModel, prepare
from resnet50_bench.model.architecture import Network, plan_network
from resnet50_bench.model.generate import GraphStyle, build_graph
from resnet50_bench.model.recipes import find_recipe
from resnet50_bench.model.toolchain import prepare_graph
from resnet50_bench.model.weights import Weights, calibrate_weights

THIN = 8


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


@pytest.fixture(scope="session")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="session")
def full_model(cache: Path) -> PreparedModel:
    """The generated ResNet-50 of seed 0, prepared for float32."""
    _require_tensorflow()
    return prepare(ModelSource.generated(0), Precision.AVX_FP32, cache, lambda _: None)


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
