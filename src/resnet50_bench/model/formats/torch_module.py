"""The network that PyTorch weights belong to, in PyTorch itself, where that is installed.

Runs in the toolchain's child process, to compare answers; nothing is read through it.
"""

from __future__ import annotations

import importlib
from functools import partial
from typing import TYPE_CHECKING, Any

from resnet50_bench.model.formats.source_runtime import SourceRuntime
from resnet50_bench.model.formats.torch_file import open_reader
from resnet50_bench.model.graph.architecture import BASE_WIDTH

if TYPE_CHECKING:
    from resnet50_bench.model.formats.torch_file import TorchFile

_MAKERS = (("torchvision.models", "resnet50"), ("timm.models.resnet", "resnet50"))
"""Module and function that give the untrained network; their values have the same names."""


def plan_module(file: TorchFile, base_width: int = BASE_WIDTH) -> SourceRuntime | None:
    """Return the network with these weights; None where there is no library with it."""
    if base_width != BASE_WIDTH or file.names.classifier != "fc":
        return None
    for module, function in _MAKERS:
        try:
            torch = importlib.import_module("torch")
            make = getattr(importlib.import_module(module), function)
            library = importlib.import_module(module.partition(".")[0])
        except Exception:  # a PyTorch that does not start is as good as none  # noqa: BLE001, S112
            continue
        name = f"{library.__name__} {library.__version__}, torch {torch.__version__}"
        return SourceRuntime(name, partial(_run, torch, make, file))
    return None


def _run(torch: Any, make: Any, file: TorchFile, images: Any) -> Any:
    read = open_reader(file)
    classes = len(read("fc.bias"))
    module = make(num_classes=classes)
    values = {
        name: torch.from_numpy(read(name).copy())
        for name in file.originals
        if not name.endswith("num_batches_tracked")
    }
    module.load_state_dict(values, strict=False)
    module.eval()
    with torch.no_grad():
        return module(torch.from_numpy(images)).numpy()
