"""What PyTorch loads: the layers as torch modules, exported as a program (`torch.export`).

bfloat16 is in the weights of the convolutions and in what lies between them; 8 bits come from
torchao's quantizer for inductor on x86. The classifier stays float32, as in every graph that is
prepared here.
"""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from resnet50_bench.config import Precision
from resnet50_bench.engines.pytorch import MODEL_FILE
from resnet50_bench.engines.tensorflow import INPUT_NAME, OUTPUT_NAME
from resnet50_bench.model.converters.layers import Kind, Layer, read_layers
from resnet50_bench.model.formats.frozen_graph import read_graph
from resnet50_bench.model.graph.probe import SIDE

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    import numpy.typing as npt

    from resnet50_bench.engines import ConvertRequest, Images

    Values = npt.NDArray[Any]

_EXAMPLE_IMAGES = 2
"""torch.export takes 0 and 1 for sizes that never change."""

_BATCH_IMAGES = 8
_OIHW = (3, 2, 0, 1)
_BFLOAT16 = (Precision.AVX_BFLOAT16, Precision.AMX_BFLOAT16)


def convert(request: ConvertRequest) -> tuple[str, ...]:
    """Write the program, and say what was done.

    Raises:
        ModelError: the graph holds an operation that is not known.
    """
    layers = read_layers(read_graph(request.graph))
    import torch

    dtype = torch.bfloat16 if request.precision in _BFLOAT16 else torch.float32
    module = make_module(layers, dtype)
    program = _export(module)
    steps = [f"wrote {len(layers)} layers as torch modules in {str(dtype).removeprefix('torch.')}"]
    if len(request.images):
        request.on_progress(f"torchao calibrates with {len(request.images)} images")
        program = _export(_quantize(program, request.images))
        steps.append(
            "quantized the convolutions to 8 bits with torchao's X86InductorQuantizer: ranges of "
            f"{len(request.images)} images, a scale for each filter, classifier float32"
        )
    torch.export.save(program, request.output / MODEL_FILE)
    return tuple(steps)


def make_module(layers: Sequence[Layer], dtype: Any) -> Any:
    """Return a module: images float32 `(N, 224, 224, 3)` to probabilities.

    Args:
        layers: as `read_layers` gives them.
        dtype: torch's, of the convolutions.
    """
    import torch

    class Network(torch.nn.Module):  # type: ignore[misc]
        """Computes one layer after the other."""

        def __init__(self) -> None:
            super().__init__()
            self.computes = torch.nn.ModuleDict()
            self.steps = [(layer, _plan_compute(torch, layer, dtype)) for layer in layers]
            for number, (_, compute) in enumerate(self.steps):
                if isinstance(compute, torch.nn.Module):
                    self.computes[f"layer{number}"] = compute

        def forward(self, images: Any) -> Any:
            # Rows of channels last are what torch calls channels_last: nothing is moved.
            values = {INPUT_NAME: images.permute(0, 3, 1, 2).to(dtype)}
            for layer, compute in self.steps:
                result = compute(*(values[name] for name in layer.inputs))
                values[layer.name] = torch.relu(result) if layer.relu else result
            return values[OUTPUT_NAME]

    return Network().eval()


def _plan_compute(torch: Any, layer: Layer, dtype: Any) -> Callable[..., Any]:
    """Return what computes a layer: a module where it has weights."""
    if layer.kernel is not None:
        computes: Callable[..., Any] = _make_weighted(torch, layer, dtype)
        return computes
    plain: dict[Kind, Callable[..., Any]] = {
        Kind.SUM: torch.add,
        Kind.MAX_POOL: partial(_pool, torch.nn.functional, layer),
        Kind.AVERAGE: partial(_average, torch),
        Kind.SOFTMAX: partial(torch.softmax, dim=1),
    }
    return plain[layer.kind]


def _average(torch: Any, values: Any) -> Any:
    """Average over rows and columns, and go on in float32."""
    return values.to(torch.float32).mean((2, 3))


def _make_weighted(torch: Any, layer: Layer, dtype: Any) -> Any:
    """Return the module of a layer that has weights."""
    assert layer.kernel is not None
    assert layer.bias is not None
    if layer.kind is Kind.CLASSIFIER:
        module = torch.nn.Linear(*layer.kernel.shape)
        _fill(torch, module, layer.kernel.T, layer.bias)
        return module
    top, left, bottom, right = layer.padding
    is_even = top == left == bottom == right
    channels, filters = layer.kernel.shape[2:]
    module = torch.nn.Conv2d(
        channels, filters, layer.window, stride=layer.stride, padding=top if is_even else 0
    )
    _fill(torch, module, layer.kernel.transpose(_OIHW), layer.bias)
    module = module.to(dtype).to(memory_format=torch.channels_last)
    if is_even:
        return module
    return torch.nn.Sequential(torch.nn.ZeroPad2d((left, right, top, bottom)), module)


def _fill(torch: Any, module: Any, kernel: Values, bias: Values) -> None:
    module.requires_grad_(requires_grad=False)
    module.weight.copy_(torch.from_numpy(np.ascontiguousarray(kernel)))
    module.bias.copy_(torch.from_numpy(np.ascontiguousarray(bias)))


def _pool(functional: Any, layer: Layer, values: Any) -> Any:
    """Take the largest of each window; zeros around what is never below zero change nothing.

    So those at the end alone are as good as windows that reach beyond the image (ceil_mode).
    """
    top, left, bottom, right = layer.padding
    if top == left == bottom == right:
        return functional.max_pool2d(values, layer.window, layer.stride, padding=top)
    if top == left == 0:
        return functional.max_pool2d(values, layer.window, layer.stride, ceil_mode=True)
    padded = functional.pad(values, (left, right, top, bottom))
    return functional.max_pool2d(padded, layer.window, layer.stride)


def _export(module: Any) -> Any:
    import torch

    example = torch.zeros(_EXAMPLE_IMAGES, SIDE, SIDE, 3)
    with torch.no_grad():
        return torch.export.export(
            module, (example,), dynamic_shapes=({0: torch.export.Dim("batch")},)
        )


def _quantize(program: Any, images: Images) -> Any:
    import torch
    from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
    from torchao.quantization.pt2e.quantizer import x86_inductor_quantizer as x86

    quantizer = x86.X86InductorQuantizer()
    quantizer.set_global(x86.get_default_x86_inductor_quantization_config())
    quantizer.set_function_type_qconfig(torch.nn.functional.linear, None)
    prepared = prepare_pt2e(program.module(), quantizer)
    with torch.no_grad():
        for first in range(0, len(images), _BATCH_IMAGES):
            prepared(torch.from_numpy(images[first : first + _BATCH_IMAGES]))
    return convert_pt2e(prepared)
