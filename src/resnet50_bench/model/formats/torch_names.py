"""What PyTorch's ResNet-50s call their values, and whether a file holds those of one.

Weights hold no graph, so where the stride stands cannot be seen; the names tell whose network it
is, and those that use these names have the stride of v1.5, in the 3x3 convolution:
torchvision/models/resnet.py and timm/models/resnet.py (`resnet50`), and transformers'
modeling_resnet.py (`downsample_in_bottleneck` is false unless a configuration says otherwise).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

from resnet50_bench.model.graph.architecture import BASE_WIDTH, CLASSES, plan_network

if TYPE_CHECKING:
    from collections.abc import Iterator

    from resnet50_bench.model.graph.architecture import Convolution

Shapes: TypeAlias = Mapping[str, tuple[int, ...]]
"""Name of a value -> its shape."""

_PREFIXES = ("module.", "model.", "_orig_mod.", "backbone.")
"""Of modules that wrapped the network while it was trained."""

NORMS = ("weight", "bias", "running_mean", "running_var")
"""A batch norm's values: scale, offset, moving mean, moving variance."""

_SHOWN_NAMES = 3
_IGNORED = "num_batches_tracked"


@dataclass(frozen=True, slots=True)
class LayerNames:
    """What one convolution's values are called.

    Attributes:
        convolution: which one.
        kernel: its kernel's name; the shape is filters, channels, height, width.
        norm: what its batch norm's four names begin with, up to the dot.
    """

    convolution: Convolution
    kernel: str
    norm: str


@dataclass(frozen=True, slots=True)
class NetworkNames:
    """What all values are called.

    Attributes:
        layers: in the order of `Network.convolutions`.
        classifier: what the classifier's two names begin with, up to the dot.
    """

    layers: tuple[LayerNames, ...]
    classifier: str

    def plan_shapes(self, features: int, classes: int) -> dict[str, tuple[int, ...]]:
        """Return the shape of each value."""
        shapes: dict[str, tuple[int, ...]] = {}
        for layer in self.layers:
            convolution = layer.convolution
            sides = (convolution.kernel, convolution.kernel)
            shapes[layer.kernel] = (convolution.filters, convolution.in_channels, *sides)
            shapes |= {f"{layer.norm}.{name}": (convolution.filters,) for name in NORMS}
        shapes[f"{self.classifier}.weight"] = (classes, features)
        shapes[f"{self.classifier}.bias"] = (classes,)
        return shapes


def strip_prefixes(names: Mapping[str, object]) -> dict[str, str]:
    """Map each name without what wrapped the network to the name as it is."""
    prefix = ""
    while True:
        wrapped = [
            each for each in _PREFIXES if all(name.startswith(prefix + each) for name in names)
        ]
        if not wrapped or not names:
            break
        prefix += wrapped[0]
    return {name.removeprefix(prefix): name for name in names}


def find_names(shapes: Shapes, base_width: int = BASE_WIDTH) -> tuple[NetworkNames, list[str]]:
    """Return whose names these are, and what keeps them from being ResNet-50's.

    Args:
        shapes: without prefixes.
        base_width: channels after the stem.
    """
    names = next((item for item in _plan_all(base_width) if item.layers[0].kernel in shapes), None)
    network = plan_network(base_width)
    if names is None:
        shown = ", ".join(list(shapes)[:_SHOWN_NAMES])
        return _plan_torchvision(base_width), [
            f"none of its {len(shapes)} values is called as the first convolution's, "
            f"conv1.weight: they are {shown or 'none'}, ..."
        ]
    classifier = shapes.get(f"{names.classifier}.weight", ())
    classes = classifier[0] if classifier else CLASSES - 1
    return names, list(_find_differences(names.plan_shapes(network.features, classes), shapes))


def _find_differences(wanted: Shapes, found: Shapes) -> Iterator[str]:
    missing = [name for name in wanted if name not in found]
    if missing:
        yield f"it lacks {_name_some(missing)}"
    spare = [name for name in found if name not in wanted and not name.endswith(_IGNORED)]
    if spare:
        yield f"ResNet-50 has no {_name_some(spare)}"
    for name, shape in wanted.items():
        if name in found and tuple(found[name]) != shape:
            yield f"{name} has shape {tuple(found[name])}, not {shape}"
            return


def _name_some(names: list[str]) -> str:
    more = len(names) - _SHOWN_NAMES
    return ", ".join(names[:_SHOWN_NAMES]) + (f" and {more} more" if more > 0 else "")


def _plan_all(base_width: int) -> Iterator[NetworkNames]:
    yield _plan_torchvision(base_width)
    yield _plan_transformers(base_width)


def _plan_torchvision(base_width: int) -> NetworkNames:
    network = plan_network(base_width)
    layers = [LayerNames(network.stem, "conv1.weight", "bn1")]
    stage, position = 1, 0
    for block in network.blocks:
        scope = f"layer{stage}.{position}"
        if block.projection is not None:
            layers.append(
                LayerNames(
                    block.projection, f"{scope}.downsample.0.weight", f"{scope}.downsample.1"
                )
            )
        inner = (block.reduce, block.spatial, block.expand)
        layers += [
            LayerNames(convolution, f"{scope}.conv{number}.weight", f"{scope}.bn{number}")
            for number, convolution in enumerate(inner, 1)
        ]
        stage, position = (stage + 1, 0) if block.ends_stage else (stage, position + 1)
    return NetworkNames(tuple(layers), "fc")


def _plan_transformers(base_width: int) -> NetworkNames:
    network = plan_network(base_width)
    layers = [_plan_transformers_layer(network.stem, "resnet.embedder.embedder")]
    stage, position = 0, 0
    for block in network.blocks:
        scope = f"resnet.encoder.stages.{stage}.layers.{position}"
        if block.projection is not None:
            layers.append(_plan_transformers_layer(block.projection, f"{scope}.shortcut"))
        inner = (block.reduce, block.spatial, block.expand)
        layers += [
            _plan_transformers_layer(convolution, f"{scope}.layer.{number}")
            for number, convolution in enumerate(inner)
        ]
        stage, position = (stage + 1, 0) if block.ends_stage else (stage, position + 1)
    return NetworkNames(tuple(layers), "classifier.1")


def _plan_transformers_layer(convolution: Convolution, scope: str) -> LayerNames:
    return LayerNames(convolution, f"{scope}.convolution.weight", f"{scope}.normalization")
