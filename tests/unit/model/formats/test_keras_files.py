import json
import zipfile

import pytest

from resnet50_bench.errors import ModelError
from resnet50_bench.model.formats.keras_files import check_layers
from resnet50_bench.model.formats.kinds import Form


def write_keras(path, *layers):
    config = {"class_name": "Functional", "module": "keras.src.models.functional",
              "registered_name": "Functional", "config": {"layers": list(layers)}}  # fmt: skip
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("metadata.json", "{}")
        archive.writestr("config.json", json.dumps(config))


def layer(name, module="keras.layers", registered=None):
    return {"class_name": name, "module": module, "registered_name": registered, "config": {}}


def test_the_layers_of_a_resnet_are_let_in(tmp_path):
    write_keras(path := tmp_path / "r50.keras", layer("InputLayer"), layer("Conv2D"))
    check_layers(path, Form.KERAS)


@pytest.mark.parametrize(
    ("found", "named"),
    [
        (layer("Lambda"), "Lambda"),
        (layer("Conv2D", "os.path"), "os.path.Conv2D"),
        (layer("Conv2D", "keras.layers", "mine>Conv2D"), "keras.layers.Conv2D"),
        (
            {"class_name": "Sequential", "config": {"layers": [layer("Lambda")]}},
            "Lambda",
        ),
    ],
)
def test_a_layer_that_may_hold_code_is_refused_before_it_is_made(tmp_path, found, named):
    write_keras(path := tmp_path / "r50.keras", layer("Conv2D"), found)
    with pytest.raises(ModelError) as caught:
        check_layers(path, Form.KERAS)
    assert caught.value.message.endswith(f"has layers that ResNet-50 does not: {named}")


def test_a_damaged_archive_is_told(tmp_path):
    write_keras(path := tmp_path / "r50.keras", layer("Conv2D"))
    path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(ModelError, match="is damaged"):
        check_layers(path, Form.KERAS)


def test_weights_alone_are_no_model(tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(path := tmp_path / "r50.h5", "w") as file:
        file.create_group("conv1")
    with pytest.raises(ModelError, match="holds a Keras model's weights without the model"):
        check_layers(path, Form.HDF5)
