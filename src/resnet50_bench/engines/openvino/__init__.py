"""OpenVINO on CPUs: the prepared graph read as it is, and quantized by NNCF for int8."""

from resnet50_bench.engines.openvino.engine import ENGINE

__all__ = ["ENGINE"]
