"""PyTorch weights in any of their files: which values there are, and how to read one."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

from resnet50_bench.errors import ModelError
from resnet50_bench.model.formats.kinds import Form
from resnet50_bench.model.formats.libraries import require_library
from resnet50_bench.model.formats.torch_names import NetworkNames, find_names, strip_prefixes
from resnet50_bench.model.formats.torch_pickle import StateDict, read_pickles, read_zip
from resnet50_bench.model.graph.architecture import BASE_WIDTH

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np
    import numpy.typing as npt

Reader: TypeAlias = "Callable[[str], npt.NDArray[np.float32]]"
"""Name of a value, without prefixes -> the value."""


@dataclass(frozen=True, slots=True)
class TorchFile:
    """Weights that were found to be ResNet-50's.

    Attributes:
        path: the file.
        form: of it.
        names: what each value is called.
        originals: the names without prefixes -> as they are in the file.
        state: where the values lie; None for safetensors, which has its own index.
    """

    path: Path
    form: Form
    names: NetworkNames
    originals: dict[str, str]
    state: StateDict | None = None


def open_weights(path: Path, form: Form, base_width: int = BASE_WIDTH) -> TorchFile:
    """Read which values a file holds, and none of them.

    Raises:
        ModelError: they are not ResNet-50's, it is damaged, or the library for it is missing.
    """
    state = None
    if form is Form.SAFETENSORS:
        shapes = _read_safetensors_shapes(path)
    else:
        state = read_zip(path) if form is Form.TORCH_ZIP else read_pickles(path)
        shapes = {name: tensor.shape for name, tensor in state.tensors.items()}
    originals = strip_prefixes(shapes)
    plain = {name: shapes[original] for name, original in originals.items()}
    names, problems = find_names(plain, base_width)
    problems += _find_stride_problems(path, names)
    if problems:
        raise ModelError(
            f"the weights in {path} are not ResNet-50's: {'; '.join(problems)}",
            "give --model the weights of torchvision's or timm's resnet50, or of transformers' "
            "ResNet-50",
        )
    return TorchFile(path, form, names, originals, state)


def _find_stride_problems(path: Path, names: NetworkNames) -> list[str]:
    """What transformers' configuration beside the weights says of the stride, which they do not."""
    try:
        content = json.loads(path.with_name("config.json").read_bytes())
    except (OSError, ValueError):
        return []
    in_first = isinstance(content, dict) and content.get("downsample_in_bottleneck") is True
    if not in_first or not names.classifier.startswith("classifier"):
        return []
    return [
        "config.json beside them says downsample_in_bottleneck: the stride is in the first 1x1 "
        "convolution of a block, as in ResNet-50 v1"
    ]


def _read_safetensors_shapes(path: Path) -> dict[str, tuple[int, ...]]:
    require_library(path, "safetensors")
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np") as file:
            return {name: tuple(file.get_slice(name).get_shape()) for name in file.keys()}  # noqa: SIM118 - no mapping
    except SafetensorError as error:
        raise ModelError(
            f"the model {path} ({path.stat().st_size:,} bytes) is damaged: {error}",
            "download it again: it was cut short or changed",
        ) from error


def open_reader(file: TorchFile) -> Reader:
    """Return what reads a value as float32, in its own order of axes."""
    return _open_safetensors(file) if file.state is None else _open_storages(file, file.state)


def _open_safetensors(file: TorchFile) -> Reader:
    import numpy as np
    from safetensors import safe_open

    opened: Any = safe_open(file.path, framework="np")

    def read(name: str) -> npt.NDArray[np.float32]:
        return np.asarray(opened.get_tensor(file.originals[name]), np.float32)

    return read


def _open_storages(file: TorchFile, state: StateDict) -> Reader:
    import numpy as np

    content = np.memmap(file.path, np.uint8, mode="r")

    def read(name: str) -> npt.NDArray[np.float32]:
        tensor = state.tensors[file.originals[name]]
        dtype = tensor.storage.dtype
        stored = np.dtype("uint16" if dtype == "bfloat16" else dtype)
        begin = state.places[tensor.storage.key]
        end = begin + tensor.storage.values * stored.itemsize
        if end > len(content):
            raise ModelError(
                f"the model {file.path} is damaged: {end - len(content):,} bytes are missing",
                "download it again: it was cut short",
            )
        values = content[begin:end].view(stored)[tensor.first :]
        strides = tuple(step * stored.itemsize for step in tensor.strides)
        shaped = np.lib.stride_tricks.as_strided(values, tensor.shape, strides, writeable=False)
        if dtype == "bfloat16":  # the upper half of a float32
            return (shaped.astype(np.uint32) << 16).view(np.float32)
        return shaped.astype(np.float32)

    return read
