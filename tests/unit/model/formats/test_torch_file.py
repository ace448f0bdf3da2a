import pickle
import subprocess
import sys

import numpy as np
import pytest
from tests.model_forms import (
    name_torch_values,
    pickle_state_dict,
    write_torch_pickles,
    write_torch_zip,
)

from resnet50_bench.errors import ModelError
from resnet50_bench.model.formats.kinds import Form
from resnet50_bench.model.formats.model_file import check_model_file
from resnet50_bench.model.formats.torch_file import open_reader, open_weights
from resnet50_bench.model.formats.torch_names import NORMS, find_names, strip_prefixes
from resnet50_bench.model.graph.architecture import plan_network
from resnet50_bench.model.graph.weights import ConvolutionWeights, Weights

THIN = 1


@pytest.fixture(scope="module")
def values():
    """Of a network of one channel at its narrowest, each value another."""
    network = plan_network(THIN)
    rng = np.random.default_rng(0)

    def draw(*shape):
        return rng.normal(size=shape).astype(np.float32)

    layers = tuple(
        ConvolutionWeights(draw(*layer.kernel_shape), *(draw(layer.filters) for _ in range(4)))
        for layer in network.convolutions
    )
    weights = Weights(layers, draw(network.features, 1000), draw(1000))
    return name_torch_values(network, weights)


WRITERS = {Form.TORCH_ZIP: write_torch_zip, Form.TORCH_PICKLE: write_torch_pickles}


@pytest.mark.parametrize("form", WRITERS)
def test_every_value_is_read_as_it_was_written(tmp_path, values, form):
    WRITERS[form](path := tmp_path / "r50.pth", values)
    assert check_model_file(path).form is form
    read = open_reader(open_weights(path, form, THIN))
    for name, value in values.items():
        assert np.array_equal(read(name), value), name


def test_safetensors_are_read_alike_and_half_precision_too(tmp_path, values):
    numpy_files = pytest.importorskip("safetensors.numpy")
    halves = {name: value.astype(np.float16) for name, value in values.items() if value.ndim}
    numpy_files.save_file(halves, path := tmp_path / "r50.safetensors")
    assert check_model_file(path).form is Form.SAFETENSORS
    read = open_reader(open_weights(path, Form.SAFETENSORS, THIN))
    assert np.array_equal(read("conv1.weight"), halves["conv1.weight"].astype(np.float32))


def open_zip(path, values, pickled=None):
    write_torch_zip(path, values, pickled=pickled)
    return open_weights(path, Form.TORCH_ZIP, THIN)


class Evil:
    def __reduce__(self):
        return (eval, ("__import__('pathlib').Path('evil').touch()",))


@pytest.mark.parametrize(
    ("pickled", "named"),
    [
        (pickle.dumps(Evil(), protocol=2), "__builtin__.eval"),
        (b"\x80\x02ctorchvision.models.resnet\nResNet\n)\x81.", "torchvision.models.resnet.ResNet"),
        (b"\x80\x02cargparse\nNamespace\n)R.", "argparse.Namespace"),
        (b"\x80\x02ctorch\nload\n)R.", "torch.load"),
    ],
)
def test_nothing_that_a_pickle_names_is_run(tmp_path, monkeypatch, values, pickled, named):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(ModelError, match="is a pickle that calls") as caught:
        open_zip(tmp_path / "r50.pth", values, pickled)
    assert f"calls {named}: nothing in it was run" in caught.value.message
    assert "safetensors.torch.save_file" in caught.value.advice
    assert not (tmp_path / "evil").exists()


def test_a_tensor_that_reaches_beyond_its_storage_is_refused(tmp_path, values):
    pickled = pickle_state_dict(values)
    count = values["conv1.weight"].size.to_bytes(4, "little")
    assert pickled.index(b"J" + count) < pickled.index(b"bn1.weight")
    with pytest.raises(ModelError, match="a tensor reaches beyond its storage"):
        open_zip(tmp_path / "r50.pth", values, pickled.replace(b"J" + count, b"J\x01\0\0\0", 1))


def test_a_file_cut_short_is_damaged(tmp_path, values):
    for write, form in (
        (write_torch_zip, Form.TORCH_ZIP),
        (write_torch_pickles, Form.TORCH_PICKLE),
    ):
        write(path := tmp_path / "r50.pth", values)
        path.write_bytes(path.read_bytes()[:20_000])
        with pytest.raises(ModelError, match="is damaged"):
            open_reader(open_weights(path, form, THIN))("fc.bias")


def test_a_checkpoint_of_a_training_holds_the_weights_deeper(tmp_path, values):
    inner = pickle_state_dict(values)[2:-1]
    outer = b"\x80\x02}(X\x05\0\0\0epochK\x07X\x0a\0\0\0state_dict" + inner + b"u."
    found = open_zip(tmp_path / "r50.pth", values, outer)
    assert found.names.classifier == "fc"


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda shapes: shapes.pop("bn1.bias"), "it lacks bn1.bias"),
        (lambda shapes: shapes.update({"layer1.0.se.weight": (1,)}),
         "ResNet-50 has no layer1.0.se.weight"),
        (lambda shapes: shapes.update({"conv1.weight": (64, 3, 3, 3)}),
         "conv1.weight has shape (64, 3, 3, 3), not (1, 3, 7, 7)"),
        (lambda shapes: shapes.pop("conv1.weight"),
         "none of its 319 values is called as the first convolution's, conv1.weight: they are "
         "bn1.weight, bn1.bias, bn1.running_mean, ..."),
    ],
)  # fmt: skip
def test_other_networks_are_told_by_their_values(values, change, problem):
    shapes = {name: value.shape for name, value in values.items()}
    assert find_names(shapes, THIN)[1] == []
    change(shapes)
    assert find_names(shapes, THIN)[1] == [problem]


def rename_as_transformers(values):
    """transformers/models/resnet/modeling_resnet.py: the same values by other names."""
    ours, _ = find_names({"conv1.weight": ()}, THIN)
    theirs, _ = find_names({"resnet.embedder.embedder.convolution.weight": ()}, THIN)
    renamed = {f"{theirs.classifier}.{end}": values[f"fc.{end}"] for end in ("weight", "bias")}
    for layer, other in zip(ours.layers, theirs.layers, strict=True):
        renamed[other.kernel] = values[layer.kernel]
        renamed |= {f"{other.norm}.{end}": values[f"{layer.norm}.{end}"] for end in NORMS}
    return renamed


def test_transformers_names_are_known_and_its_v1_is_refused(tmp_path, values):
    renamed = rename_as_transformers(values)
    assert "resnet.encoder.stages.1.layers.0.shortcut.normalization.running_var" in renamed
    assert "resnet.encoder.stages.3.layers.2.layer.2.convolution.weight" in renamed
    assert open_zip(tmp_path / "r50.pth", renamed).names.classifier == "classifier.1"
    (tmp_path / "config.json").write_text('{"downsample_in_bottleneck": true}')
    with pytest.raises(ModelError, match="stride is in the first 1x1 convolution"):
        open_zip(tmp_path / "r50.pth", renamed)
    assert open_zip(tmp_path / "r50.pth", values).names.classifier == "fc"


def test_what_wrapped_a_network_is_taken_off():
    names = strip_prefixes({"module.model.fc.bias": 1, "module.model.conv1.weight": 1})
    assert list(names) == ["fc.bias", "conv1.weight"]
    assert strip_prefixes({"fc.bias": 1, "module.x": 1}) == {"fc.bias": "fc.bias",
                                                             "module.x": "module.x"}  # fmt: skip


def test_looking_at_names_needs_no_numpy(tmp_path, values):
    write_torch_zip(path := tmp_path / "r50.pth", values)
    code = (
        "import sys; from pathlib import Path; "
        "from resnet50_bench.model.formats.torch_pickle import read_zip; "
        f"print(len(read_zip(Path({str(path)!r})).tensors), 'numpy' in sys.modules)"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.split() == [str(len(values)), "False"]
