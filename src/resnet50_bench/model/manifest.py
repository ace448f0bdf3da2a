"""What is known about a prepared model: where it came from and what was done to it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path

import msgspec

from resnet50_bench.config import Precision
from resnet50_bench.errors import ModelError
from resnet50_bench.files.hashes import hash_path
from resnet50_bench.files.paths import is_folder
from resnet50_bench.model.calibration import CalibrationIdentity
from resnet50_bench.model.formats.onnx_bytes import list_weight_files
from resnet50_bench.model.graph.architecture import BASE_WIDTH
from resnet50_bench.model.graph.structure import Structure

SCHEMA_VERSION = 1

GENERATOR_VERSION = 1
"""Raised whenever the same seed would give another generated model."""

PREPARATION_VERSION = 4
"""Raised whenever the same source would give another prepared model, or more is known of it."""

CONVERSION_VERSION = 1
"""Raised whenever more is known of a conversion; `Form.version` tells of the converter itself."""

GENERATED = "generated"
USER_FILE = "user file"


@dataclass(frozen=True, slots=True)
class OwnProfile:
    """The preprocessing that belongs to a model.

    Attributes:
        name: of the profile.
        reason: what tells so.
    """

    name: str
    reason: str


@dataclass(frozen=True, slots=True)
class ModelSource:
    """The graph to prepare: a file, or the one generated from a seed; and in which form.

    Attributes:
        path: the user's file or folder; None for a generated graph.
        seed: of the generated weights; None for a file.
        base_width: channels after the stem; 64 is ResNet-50, less is a thin one for tests.
        split: prepare it with its large kernels split; only where `recipes.wants_split`.
        input_name: the node of a file's graph that is to take the images; None to find it.
        output_name: the node that is to give the answers, likewise.
        preprocessing: what belongs to a file's weights, where that is known.
    """

    path: str | None = None
    seed: int | None = None
    base_width: int = BASE_WIDTH
    split: bool = False
    input_name: str | None = None
    output_name: str | None = None
    preprocessing: OwnProfile | None = None

    def form(self, precision: Precision) -> str:
        """Name what is prepared of it, e.g. `amx_int8` or `amx_int8-split`."""
        return precision.value + "-split" * self.split

    def key(self, sha256: str) -> str:
        """Name what is prepared: the file's hash, and how it is to be understood.

        Args:
            sha256: of the file.
        """
        own = self.preprocessing.name if self.preprocessing is not None else None
        wishes = (self.input_name, self.output_name, own)
        return sha256 if wishes == (None, None, None) else f"{sha256} {wishes}"

    @classmethod
    def file(cls, path: Path) -> ModelSource:
        """The model in `path`."""
        return cls(path=str(path))

    @classmethod
    def generated(cls, seed: int = 0, base_width: int = BASE_WIDTH) -> ModelSource:
        """The model generated from `seed`."""
        return cls(seed=seed, base_width=base_width)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerError:
    """How far one layer is from what it should compute from the same inputs.

    Attributes:
        name: of the float32 tensor it writes.
        relative_l2: norm of the difference / norm of what it should be.
        rounding_l2: what rounding to the layer's data type would give, in the same unit.
    """

    name: str
    relative_l2: float
    rounding_l2: float

    @property
    def times_rounding(self) -> float:
        """The difference as a multiple of what rounding gives; infinite where that is nothing."""
        if self.rounding_l2 > 0:
            return self.relative_l2 / self.rounding_l2
        return 0.0 if self.relative_l2 == 0 else math.inf


@dataclass(frozen=True, slots=True)
class Agreement:
    """How far the prepared graph's answers are from the source graph's, on held-out images.

    Attributes:
        images: images compared.
        softmax_max_abs_difference: the largest difference of one probability.
        logits_relative_l2: norm of the logits' difference / norm of the source's logits.
        same_class: images whose most probable class is the same.
        bound: what `logits_relative_l2` was required not to exceed; None where it is a figure only.
        kept: share of the right answers the source expects of itself that are still given, 0..1;
            see `agreement.answers`. None in manifests that do not tell.
        effective_images: how many equally sure images tell as much (Kish 1965).
        total_variation: mean over the images of half the sum of the probabilities' differences.
        worst_layer: the layer furthest from what rounding gives; None where nothing is rounded.
    """

    images: int
    softmax_max_abs_difference: float
    logits_relative_l2: float
    same_class: int
    bound: float | None = None
    kept: float | None = None
    effective_images: float | None = None
    total_variation: float | None = None
    worst_layer: LayerError | None = None

    @property
    def same_class_share(self) -> float:
        """Fraction of the images whose most probable class is the same, 0..1."""
        return self.same_class / self.images


@dataclass(frozen=True, slots=True, kw_only=True)
class Arithmetic:
    """In which types a prepared graph computes.

    Attributes:
        convolutions: how many compute in `float32`, `bfloat16` or `int8`.
        fused_sums: residual sums executed inside a convolution.
        float32_ops: the other operations that compute in float32, and how many.
    """

    convolutions: dict[str, int]
    fused_sums: int
    float32_ops: dict[str, int]


@dataclass(frozen=True, slots=True, kw_only=True)
class PreparedGraph:
    """What the toolchain reports of a graph it prepared.

    Attributes:
        steps: what was done, in order.
        structure: of the prepared graph.
        fused_ops: counted in the graph TensorFlow executed on this CPU.
        arithmetic: the types it computes in; None in manifests that do not tell.
        agreement: with the source graph.
        notes: what is not as expected.
        tools: name -> version of what took part.
    """

    steps: tuple[str, ...]
    structure: Structure
    fused_ops: dict[str, int]
    agreement: Agreement
    notes: tuple[str, ...]
    tools: dict[str, str]
    arithmetic: Arithmetic | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """How a user's model was understood.

    Attributes:
        form: what it was given as.
        input_name: what was taken as the input, in the file's own words.
        output_name: what was taken as the output.
        changes: what was done to bring it to the published graph's form, a sentence each.
        check: how far its answers then are from those of the form's own runtime; None where nothing
            was changed, or where that runtime is not installed.
        preprocessing: what belongs to it; None where that is not known.
        is_quantized: whether it computed in 8 bits before.
    """

    form: str
    input_name: str
    output_name: str
    changes: tuple[str, ...] = ()
    check: str | None = None
    preprocessing: OwnProfile | None = None
    is_quantized: bool = False

    def describe(self) -> str:
        """Say in one line what the file was taken for."""
        return (
            f"{self.form}: takes the images at {self.input_name}, gives the answers at "
            f"{self.output_name}"
        )


@dataclass(frozen=True, slots=True)
class FileIdentity:
    """A file's name, SHA-256 and size."""

    name: str
    sha256: str
    size_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """What another engine than TensorFlow loads of a prepared graph, and how it answers.

    Attributes:
        engine: what loads it.
        precision: what the engine computes in.
        steps: what the converter did, in order; () where the engine loads the graph itself.
        converted: what it loads.
        agreement: with TensorFlow's answers to held-out images, from the prepared graph in float32.
        tools: name -> version of what took part.
        created: UTC, ISO 8601.
        calibration: the images that the converter looked at; None where it looks at none.
    """

    engine: str
    precision: Precision
    steps: tuple[str, ...]
    converted: FileIdentity
    agreement: Agreement
    tools: dict[str, str]
    created: str
    calibration: CalibrationIdentity | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """Everything that identifies a prepared model.

    Attributes:
        kind: `generated` or `user file`.
        seed: of the generated weights. The same seed and generator version give the same model on
            one machine; its statistics are computed on the CPU, so other CPUs may round otherwise,
            and only the SHA-256 identifies it.
        generator_version: of the generator; None for a file.
        source: the graph it was prepared from.
        prepared: the graph engines load.
        precision: what it was prepared for.
        preparation_version: of the preparation.
        graph: what the toolchain did and found.
        created: UTC, ISO 8601.
        calibration: the images int8 was calibrated with; None where none were needed.
        reading: how a user's file was understood; None for a generated graph, and in manifests
            that do not tell.
        conversion: what another engine than TensorFlow loads in place of it.
    """

    schema_version: int = SCHEMA_VERSION
    kind: str
    seed: int | None
    generator_version: int | None
    source: FileIdentity
    prepared: FileIdentity
    precision: Precision
    preparation_version: int
    graph: PreparedGraph
    created: str
    calibration: CalibrationIdentity | None = None
    reading: Reading | None = None
    conversion: Conversion | None = None

    @property
    def loaded(self) -> FileIdentity:
        """What the engine loads."""
        return self.conversion.converted if self.conversion is not None else self.prepared

    @property
    def agreement(self) -> Agreement:
        """Of what the engine loads, with float32."""
        made = self.conversion if self.conversion is not None else self.graph
        return made.agreement


@dataclass(frozen=True, slots=True)
class PreparedModel:
    """A prepared graph whose file was compared with its manifest's SHA-256."""

    path: Path
    manifest: Manifest


def read_identity(path: Path) -> FileIdentity:
    """Hash a file and those that hold its weights, or all files of a folder with their names.

    Raises:
        ModelError: it cannot be read.
    """
    try:
        beside = () if is_folder(path) else list_weight_files(path)
        return FileIdentity(path.name, *hash_path(path, beside))
    except OSError as error:
        raise ModelError(
            f"cannot read the model {path}: {error.strerror}", "check the path after --model"
        ) from error


def read_manifest(path: Path) -> Manifest:
    """Read a manifest.

    Raises:
        ModelError: the file is missing or is not a manifest of this schema version.
    """
    try:
        manifest = msgspec.json.decode(path.read_bytes(), type=Manifest)
    except (OSError, msgspec.DecodeError) as error:
        raise ModelError(f"cannot read the model's manifest {path}: {error}") from error
    if manifest.schema_version != SCHEMA_VERSION:
        raise ModelError(f"{path} has schema version {manifest.schema_version}")
    return manifest


def write_json(path: Path, value: object) -> None:
    """Write a value as indented JSON."""
    path.write_bytes(msgspec.json.format(msgspec.json.encode(value), indent=2) + b"\n")
