"""What a model file is, by the way it begins."""

from __future__ import annotations

import re
from enum import Enum
from typing import NamedTuple

HEAD_BYTES = 512
"""As many as the longest beginning takes: a tar archive names itself at byte 257."""

GIVE = (
    "give --model a frozen TensorFlow graph (.pb), a SavedModel folder, a Keras model (.keras, "
    ".h5), an ONNX model, or PyTorch weights (.safetensors, .pth)"
)
AGAIN = "download it again: "
_UNPACK = "unpack it, and give --model the model in it"
_OTHERWISE = f"this one is not read: {GIVE}"


class Form(Enum):
    """What a model may be given as."""

    FROZEN_GRAPH = "frozen graph"
    SAVED_MODEL = "SavedModel"
    KERAS = "Keras model (.keras)"
    HDF5 = "Keras model (HDF5)"
    ONNX = "ONNX model"
    SAFETENSORS = "PyTorch weights (safetensors)"
    TORCH_ZIP = "PyTorch weights"
    TORCH_PICKLE = "PyTorch weights (before PyTorch 1.6)"

    @property
    def is_weights(self) -> bool:
        """Whether it holds named values alone, and no graph that uses them."""
        return self in (Form.SAFETENSORS, Form.TORCH_ZIP, Form.TORCH_PICKLE)


class Kind(NamedTuple):
    """A kind of file.

    Attributes:
        begin: how it begins.
        name: what it is.
        form: how it is read; None for what is not read.
        advice: what to do then.
    """

    begin: re.Pattern[bytes]
    name: str
    form: Form | None
    advice: str


def _other(begin: bytes, name: str, advice: str = _OTHERWISE) -> Kind:
    return Kind(re.compile(begin, re.DOTALL), name, None, advice)


def _model(begin: bytes, form: Form) -> Kind:
    return Kind(re.compile(begin, re.DOTALL), form.value, form, "")


_KINDS = (
    _other(rb"version https://git-lfs\.", "a Git LFS pointer: the model itself was not downloaded",
           "run `git lfs pull` where it was cloned"),
    _other(rb"\s*<(?i:!doctype html|html|head|body)", "a web page: the download got no file",
           f"{AGAIN}the address may need a login, or be that of a page about the file"),
    _other(rb"\s*<\?xml", "XML, as an OpenVINO model is"),
    _model(rb"\x89HDF\r\n\x1a\n", Form.HDF5),
    _model(rb"PK\x03\x04.{26}(?:metadata\.json|config\.json)", Form.KERAS),
    _model(rb"PK\x03\x04.{26}[^/]*/(?:data\.pkl|\.format_version|\.data/|byteorder)",
           Form.TORCH_ZIP),
    _model(rb"PK\x03\x04.{26}[^/]+/(?:version|data/|extra/|constants\.pkl|code/)", Form.TORCH_ZIP),
    _other(rb"PK\x03\x04", "a zip archive", _UNPACK),
    _other(rb"\x1f\x8b", "compressed with gzip", _UNPACK),
    _other(rb"BZh[1-9]", "compressed with bzip2", _UNPACK),
    _other(rb"\xfd7zXZ\0", "compressed with xz", _UNPACK),
    _other(rb"\x28\xb5\x2f\xfd", "compressed with zstd", _UNPACK),
    _other(rb".{257}ustar", "a tar archive", _UNPACK),
    _other(rb".{4}TFL3", "a TensorFlow Lite model",
           "its weights are rounded for phones: give --model the model it was converted from"),
    _model(rb"(?=.{8}\{)[^\0].{0,6}\0{1,7}\{", Form.SAFETENSORS),
    _model(rb"\x80[\x02-\x05]\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19", Form.TORCH_PICKLE),
    _other(rb"\x80[\x02-\x05][\x95\x8a}\]cX(]", "a Python pickle that PyTorch did not write",
           "a pickle may run code, so it is not opened: save its weights as .safetensors"),
    _other(rb"\x93NUMPY", "a NumPy array"),
    _other(rb"\x08\x01\x12", "the graph of a SavedModel, whose weights lie beside it",
           "give --model the folder it lies in"),
    _model(rb"\x08[\x02-\x20][\x12\x1a\x22\x2a\x32\x3a\x42]", Form.ONNX),
    _other(rb"\s*(?:#[^\n]*\n\s*)*node\s*\{", "a graph as text (.pbtxt), not in binary form"),
)  # fmt: skip
"""In this order: the first that fits. PyTorch's own mark begins its files since release 0.1.10
(torch/serialization.py, MAGIC_NUMBER); release 1.6 changed to zip archives."""


def find_kind(head: bytes) -> Kind | None:
    """Return what a file is that begins so; None when it may be a frozen graph."""
    return next((kind for kind in _KINDS if kind.begin.match(head)), None)
