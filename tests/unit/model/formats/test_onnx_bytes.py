import pytest

from resnet50_bench.errors import ModelError
from resnet50_bench.model.formats.onnx_bytes import list_weight_files, require_weight_files
from resnet50_bench.model.manifest import read_identity

HEAD = b"\x08\x07\x12\x07pytorch"


def locate(name: str) -> bytes:
    return b"\x0a\x08location\x12" + bytes([len(name)]) + name.encode()


def test_the_files_of_weights_are_found_and_belong_to_the_models_identity(tmp_path):
    (path := tmp_path / "r50.onnx").write_bytes(HEAD + 2 * locate("r50.onnx.data"))
    (weights := tmp_path / "r50.onnx.data").write_bytes(b"1")
    assert list_weight_files(path) == (weights,)
    before = read_identity(path)
    weights.write_bytes(b"2")
    after = read_identity(path)
    assert before.sha256 != after.sha256
    assert before.size_bytes == path.stat().st_size + 1


def test_a_missing_file_of_weights_is_named(tmp_path):
    (path := tmp_path / "r50.onnx").write_bytes(HEAD + locate("r50.onnx.data"))
    with pytest.raises(ModelError, match=r"keeps its weights in r50\.onnx\.data, which is not"):
        require_weight_files(path)


@pytest.mark.parametrize("name", ["../secret", "/etc/passwd", ".."])
def test_no_file_of_another_folder_is_opened(tmp_path, name):
    (path := tmp_path / "r50.onnx").write_bytes(HEAD + locate(name))
    assert list_weight_files(path) == ()


def test_another_file_has_none(tmp_path):
    (path := tmp_path / "r50.pb").write_bytes(b"\x0a\x00" + locate("x"))
    assert list_weight_files(path) == ()
