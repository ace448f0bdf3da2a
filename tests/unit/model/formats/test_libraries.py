import importlib.util

import pytest

from resnet50_bench.errors import ModelError
from resnet50_bench.model import ModelSource, inspect_model


def test_a_missing_library_is_told_before_anything_is_started(tmp_path, monkeypatch):
    (path := tmp_path / "r50.onnx").write_bytes(b"\x08\x07\x12\x07pytorch")
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    with pytest.raises(
        ModelError, match="takes the library onnx, which is not installed"
    ) as caught:
        inspect_model(ModelSource.file(path))
    assert caught.value.advice == "pip install 'resnet50-bench[models]'"
