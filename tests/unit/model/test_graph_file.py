import io
import pickle
import struct
import tarfile
import zipfile

import pytest
from tests.graphs import encode_graph, encode_model

from resnet50_bench.errors import ModelError
from resnet50_bench.model.graph_file import check_graph_file


def make_zip(name: str) -> bytes:
    with zipfile.ZipFile(target := io.BytesIO(), "w") as archive:
        archive.writestr(name, "content")
    return target.getvalue()


def make_tar() -> bytes:
    with tarfile.open(fileobj=(target := io.BytesIO()), mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.pb"), io.BytesIO())
    return target.getvalue()


KINDS = {
    b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 102170611\n": "Git LFS",
    b"<!DOCTYPE html>\n<html>": "a web page",
    b"\n  <HTML><head>": "a web page",
    b'<?xml version="1.0"?><net name="resnet">': "XML",
    b"\x89HDF\r\n\x1a\n" + bytes(90): "HDF5",
    make_zip("metadata.json"): "a Keras model",
    make_zip("archive/data.pkl"): "a PyTorch model",
    make_zip("model.pb"): "a zip archive",
    make_tar(): "a tar archive",
    b"\x1f\x8b\x08" + bytes(20): "gzip",
    b"\x1c\0\0\0TFL3" + bytes(90): "TensorFlow Lite",
    struct.pack("<Q", 30) + b'{"w":{"dtype":"F32"}}': "safetensors",
    pickle.dumps({"weights": [1.0]}, protocol=2): "pickle",
    pickle.dumps({"weights": [1.0]}, protocol=4): "pickle",
    b"\x08\x07\x12\x07pytorch\x1a\x051.13": "an ONNX model",
    b"\x08\x01\x12\xff\x10": "a SavedModel",
    b'node {\n  name: "input_tensor"': "a graph as text",
}


@pytest.mark.parametrize(("content", "kind"), KINDS.items(), ids=KINDS.values())
def test_what_is_no_graph_is_named(tmp_path, content, kind):
    (path := tmp_path / "model.pb").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        check_graph_file(path)
    assert caught.value.message.startswith(f"the model {path} ({len(content):,} bytes) is ")
    assert kind in caught.value.message
    assert caught.value.advice


def refuse(path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        check_graph_file(path)
    return caught.value.message


def test_a_pointer_says_how_to_get_the_file(tmp_path):
    (path := tmp_path / "model.pb").write_bytes(next(iter(KINDS)))
    with pytest.raises(ModelError) as caught:
        check_graph_file(path)
    assert caught.value.advice == "run `git lfs pull` where it was cloned"


def test_what_cannot_be_named_is_shown(tmp_path):
    path = tmp_path / "model.pb"
    assert "is no TensorFlow graph but text that begins with b'hello'" in refuse(path, b"hello")
    assert "is no TensorFlow graph but bytes that begin with b'\\xff\\xfe" in refuse(
        path, b"\xff\xfe\x00"
    )
    assert "is empty (0 bytes)" in refuse(path, b"")


def test_a_graph_is_taken(tmp_path):
    versions = b"\x22\x02\x08\x16"  # field 4, as every graph of TensorFlow ends
    (path := tmp_path / "model.pb").write_bytes(encode_model() + versions)
    check_graph_file(path)


def test_one_cut_short_anywhere_is_refused(tmp_path):
    whole = encode_model()
    path = tmp_path / "model.pb"
    for length in range(1, len(whole)):
        message = refuse(path, whole[:length])
        assert (
            "is damaged at byte" in message
            or "is no TensorFlow graph" in message
            or "there is no output named softmax_tensor" in message
        ), length
    first = len(encode_graph(("input_tensor", "Placeholder")))
    assert f"is damaged at byte {first}: " in refuse(path, whole[: first + 3])


def test_a_graph_of_something_else_is_refused(tmp_path):
    graph = encode_graph(("images", "Placeholder"), ("softmax_tensor", "Softmax"))
    message = refuse(tmp_path / "model.pb", graph)
    assert message.endswith("is not ResNet-50 v1.5: there is no input named input_tensor")


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match=r"none\.pb: No such file"):
        check_graph_file(tmp_path / "none.pb")
