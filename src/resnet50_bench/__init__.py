"""ResNet-50 v1.5 inference on CPUs: measured, and proven."""

__version__ = "0.1.0"
