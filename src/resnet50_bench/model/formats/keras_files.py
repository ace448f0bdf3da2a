"""SavedModels and Keras models as frozen graphs. Runs in the toolchain's child process.

TensorFlow and Keras read their own formats; this freezes what they give. A Keras model may hold
Python code, in a Lambda layer: its layers are looked at first, and only those of a ResNet-50 are
let in, so that no code of the file runs.
"""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnet50_bench.errors import ModelError
from resnet50_bench.model.formats.kinds import Form

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import numpy.typing as npt

_LAYERS = frozenset(
    {
        *("InputLayer", "Conv2D", "ZeroPadding2D", "BatchNormalization", "Activation", "ReLU"),
        *("MaxPooling2D", "GlobalAveragePooling2D", "AveragePooling2D", "Add", "Dense", "Softmax"),
        *("Flatten", "Reshape", "Dropout", "Rescaling", "Normalization"),
        *("Functional", "Model", "Sequential"),
    }
)

_SIGNATURE = "serving_default"


@dataclass(frozen=True, slots=True)
class Frozen:
    """A graph whose variables are constants, and what computes the same in its own runtime.

    Attributes:
        graph: the frozen graph.
        run: images as the model takes them -> its first output.
        runtime: what runs it.
    """

    graph: Any
    run: Callable[[npt.NDArray[Any]], npt.NDArray[Any]]
    runtime: str


def freeze_saved_model(path: Path) -> Frozen:
    """Freeze the signature `serving_default` of a SavedModel, or the only one it has.

    Raises:
        ModelError: it cannot be loaded, or has other signatures.
    """
    import tensorflow as tf

    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:
        raise ModelError(
            f"TensorFlow cannot load the SavedModel {path}: {error}",
            "a SavedModel is a folder with saved_model.pb and variables/",
        ) from error
    signatures = dict(loaded.signatures)
    name = _SIGNATURE if _SIGNATURE in signatures else next(iter(signatures), None)
    if name is None or (name != _SIGNATURE and len(signatures) > 1):
        raise ModelError(
            f"the SavedModel {path} has no signature {_SIGNATURE}: it has "
            f"{', '.join(signatures) or 'none'}",
            "export it with the signature that classifies",
        )
    signature = signatures[name]
    (argument,) = signature.structured_input_signature[1] or ("",)

    def run(images: npt.NDArray[Any]) -> npt.NDArray[Any]:
        outputs = signature(**{argument: tf.constant(images)})
        floats = [value.numpy() for value in outputs.values() if value.dtype.is_floating]
        return _pick_answers(floats)

    return Frozen(_freeze(signature), run, f"TensorFlow {tf.__version__}")


def freeze_keras(path: Path, form: Form) -> Frozen:
    """Freeze a Keras model.

    Raises:
        ModelError: it holds weights alone, has layers that ResNet-50 has not, or cannot be loaded.
    """
    check_layers(path, form)
    import keras
    import tensorflow as tf

    try:
        model = keras.models.load_model(str(path), compile=False, safe_mode=True)
    except Exception as error:
        raise ModelError(
            f"Keras {keras.__version__} cannot load {path}: {error}",
            "save it with the Keras that made it, as a SavedModel: model.export(FOLDER)",
        ) from error
    shape = tuple(model.input_shape)
    specification = tf.TensorSpec((None, *shape[1:]), tf.float32, name="images")
    concrete = tf.function(lambda images: model(images, training=False)).get_concrete_function(
        specification
    )
    return Frozen(
        _freeze(concrete),
        lambda images: _pick_answers([model(images, training=False).numpy()]),
        f"Keras {keras.__version__}",
    )


def _freeze(function: Any) -> Any:
    from tensorflow.python.framework.convert_to_constants import (
        convert_variables_to_constants_v2,
    )

    return convert_variables_to_constants_v2(function).graph.as_graph_def()


def _pick_answers(found: list[npt.NDArray[Any]]) -> npt.NDArray[Any]:
    """Return the output that has a value for each class: the widest."""
    return max(found, key=lambda values: int(values.shape[-1]) if values.ndim else 0)


def check_layers(path: Path, form: Form) -> None:
    """Refuse a model with layers that ResNet-50 has not, before any of them is made."""
    try:
        config = _read_config(path, form)
    except (OSError, KeyError, ValueError, zipfile.BadZipFile) as error:
        raise ModelError(
            f"the model {path} is damaged: {error}", "download it again: it was cut short"
        ) from error
    if config is None:
        raise ModelError(
            f"{path} holds a Keras model's weights without the model",
            "save both: model.save('resnet50.keras')",
        )
    found = set(_list_layers(config))
    others = sorted(found - _LAYERS)
    if others:
        raise ModelError(
            f"the Keras model {path} has layers that ResNet-50 does not: {', '.join(others)}",
            "nothing of it was run; export it as a SavedModel: model.export(FOLDER)",
        )


def _read_config(path: Path, form: Form) -> Any:
    """Return the description of the layers; None where there are only weights."""
    if form is Form.KERAS:
        with zipfile.ZipFile(path) as archive:
            return json.loads(archive.read("config.json"))
    import h5py

    with h5py.File(path, "r") as file:
        config = file.attrs.get("model_config")
    return None if config is None else json.loads(config)


def _list_layers(config: Any) -> Iterator[str]:
    """Yield the class of a model and of each layer in it; one that is not Keras's own by module."""
    if not isinstance(config, dict):
        return
    module = config.get("module") or "keras"
    if "class_name" in config:
        name = str(config["class_name"])
        is_own = str(module).partition(".")[0] in ("keras", "tf_keras")
        yield (
            name
            if is_own and not str(config.get("registered_name") or "").rpartition(">")[0]
            else (f"{module}.{name}")
        )
    inner = config.get("config")
    for layer in inner.get("layers", ()) if isinstance(inner, dict) else ():
        yield from _list_layers(layer)
