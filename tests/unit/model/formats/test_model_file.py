import io
import pickle
import struct
import tarfile
import zipfile

import pytest
from tests.graphs import encode_graph, encode_model

from resnet50_bench.errors import ModelError
from resnet50_bench.model.formats.kinds import Form
from resnet50_bench.model.formats.model_file import check_model_file


def make_zip(name: str) -> bytes:
    with zipfile.ZipFile(target := io.BytesIO(), "w") as archive:
        archive.writestr(name, "content")
    return target.getvalue()


def make_tar() -> bytes:
    with tarfile.open(fileobj=(target := io.BytesIO()), mode="w") as archive:
        archive.addfile(tarfile.TarInfo("model.pb"), io.BytesIO())
    return target.getvalue()


POINTER = b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 102170611\n"

KINDS = {
    POINTER: "a Git LFS pointer",
    b"<!DOCTYPE html>\n<html>": "a web page",
    b"\n  <HTML><head>": "a web page",
    b'<?xml version="1.0"?><net name="resnet">': "XML",
    make_zip("model.pb"): "a zip archive",
    make_tar(): "a tar archive",
    b"\x1f\x8b\x08" + bytes(20): "compressed with gzip",
    b"\x1c\0\0\0TFL3" + bytes(90): "a TensorFlow Lite model",
    pickle.dumps({"weights": [1.0]}, protocol=2): "a Python pickle that PyTorch did not write",
    pickle.dumps({"weights": [1.0]}, protocol=4): "a Python pickle that PyTorch did not write",
    b"\x08\x01\x12\xff\x10": "the graph of a SavedModel",
    b'node {\n  name: "input_tensor"': "a graph as text",
}

FORMS = {
    b"\x89HDF\r\n\x1a\n" + bytes(90): Form.HDF5,
    make_zip("metadata.json"): Form.KERAS,
    make_zip("archive/data.pkl"): Form.TORCH_ZIP,
    pickle.dumps(0x1950A86A20F9469CFC6C, protocol=2): Form.TORCH_PICKLE,
    struct.pack("<Q", 30) + b'{"w":{"dtype":"F32"}}': Form.SAFETENSORS,
    b"\x08\x07\x12\x07pytorch\x1a\x051.13": Form.ONNX,
}


@pytest.mark.parametrize(("content", "form"), FORMS.items(), ids=lambda item: str(item)[:30])
def test_what_can_be_read_is_known_by_its_begin_whatever_its_name(tmp_path, content, form):
    (path := tmp_path / "model.pb").write_bytes(content)
    assert check_model_file(path).form is form


@pytest.mark.parametrize(("content", "kind"), KINDS.items(), ids=KINDS.values())
def test_what_is_no_graph_is_named(tmp_path, content, kind):
    (path := tmp_path / "model.pb").write_bytes(content)
    with pytest.raises(ModelError) as caught:
        check_model_file(path)
    assert caught.value.message.startswith(f"the model {path} ({len(content):,} bytes")
    assert f" is {kind}" in caught.value.message
    assert caught.value.advice


def refuse(path, content: bytes) -> str:
    path.write_bytes(content)
    with pytest.raises(ModelError) as caught:
        check_model_file(path)
    return caught.value.message


def test_a_pointer_says_how_to_get_the_file_and_how_large_it_is(tmp_path):
    (path := tmp_path / "model.pb").write_bytes(POINTER)
    with pytest.raises(ModelError) as caught:
        check_model_file(path)
    assert f"({len(POINTER)} bytes, in place of 102,170,611)" in caught.value.message
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
    check_model_file(path)


def test_one_cut_short_anywhere_is_refused(tmp_path):
    whole = encode_model()
    path = tmp_path / "model.pb"
    for length in range(1, len(whole)):
        message = refuse(path, whole[:length])
        assert (
            "is damaged at byte" in message
            or "is no TensorFlow graph" in message
            or "it gives no answers" in message
        ), length
    first = len(encode_graph(("input_tensor", "Placeholder")))
    assert f"is damaged at byte {first}: " in refuse(path, whole[: first + 3])


def test_a_small_file_says_how_large_it_should_be(tmp_path):
    assert "(5 bytes; ResNet-50 in float32 has about 102,000,000)" in refuse(
        tmp_path / "model.pb", b"hello"
    )


def test_a_graph_without_an_input_is_refused(tmp_path):
    graph = encode_graph(("softmax_tensor", "Softmax"))
    message = refuse(tmp_path / "model.pb", graph)
    assert message.endswith("it takes no input: no node is a Placeholder")


def test_names_that_the_graph_does_not_have_are_refused(tmp_path):
    (path := tmp_path / "model.pb").write_bytes(encode_model())
    check_model_file(path, "input_tensor:0", "softmax_tensor")
    with pytest.raises(ModelError, match="--output-name y: there is no such node; its inputs are "):
        check_model_file(path, None, "y")


def test_a_graph_in_8_bits_is_known(tmp_path):
    graph = encode_graph(("x", "Placeholder"), ("c", "QuantizedConv2DWithBias"), ("y", "Softmax"))
    (path := tmp_path / "model.pb").write_bytes(graph)
    assert check_model_file(path).is_quantized


def test_a_folder_is_a_saved_model_or_nothing(tmp_path):
    with pytest.raises(ModelError, match=r"is a folder without saved_model\.pb"):
        check_model_file(tmp_path)
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01\x12\x00")
    assert check_model_file(tmp_path).form is Form.SAVED_MODEL


def test_a_file_that_is_not_there(tmp_path):
    with pytest.raises(ModelError, match=r"none\.pb: No such file"):
        check_model_file(tmp_path / "none.pb")
