"""ONNX Runtime with its own CPU kernels: what it ran read from its profile and its instructions."""

from resnet50_bench.engines.onnxruntime.engine import ENGINE

__all__ = ["ENGINE"]
