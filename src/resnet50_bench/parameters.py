"""The one table of parameters, and how text becomes a `RunConfig`.

`PARAMETERS` is the only place that names a parameter, its allowed values, its default and its help;
the command line's flags, `--set`, the environment names and the validation all come from it.
"""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Any

from resnet50_bench.config import (
    CaseType,
    DataType,
    Mode,
    Platform,
    Precision,
    RunConfig,
    plan_workload,
)
from resnet50_bench.errors import ConfigError
from resnet50_bench.values import (
    list_words,
    parse_assignments,
    parse_case_type,
    parse_engine_options,
    parse_only,
    parse_seconds,
    parse_switch,
    parse_text,
    parse_whole,
    parse_word,
)


@dataclass(frozen=True, slots=True)
class Parameter:
    """One thing a user can set.

    Attributes:
        name: the framework's name, e.g. `BATCH_SIZE`; the flag is `--batch-size`.
        field: of `RunConfig`.
        parse: text to value; raises ValueError saying what is allowed.
        help: one sentence.
        default: what holds when it is not set, for people; None when nothing does.
        choices: the allowed words; () when it is not a word.
        metavar: what stands for the value in help.
        switch: it is on or off, and its flag takes no value.
        whole: `--set` takes its value as one, spaces and all, and makes no list of it.
    """

    name: str
    field: str
    parse: Callable[[str], Any]
    help: str
    default: str | None = None
    choices: tuple[str, ...] = ()
    metavar: str = "TEXT"
    switch: bool = False
    whole: bool = False

    @property
    def flag(self) -> str:
        """The command line's spelling, e.g. `--batch-size`."""
        return "--" + self.name.lower().replace("_", "-")


@dataclass(frozen=True, slots=True)
class Setting:
    """One parameter as the user gave it.

    Attributes:
        name: the parameter's name, in any case.
        value: its text.
        origin: how it was given, as an error should name it, e.g. `--batch-size`.
    """

    name: str
    value: str
    origin: str


WORKLOAD = "resnet50v1_5_tensorflow_xeon_public"
TOPOLOGY = "resnet50v1_5"
FUNCTION = "inference"
INSTANCE_MODE = "flex"

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        "FUNCTION",
        "",
        parse_only(FUNCTION, "nothing else is measured"),
        "What to run; only inference exists.",
        default=FUNCTION,
        choices=(FUNCTION,),
    ),
    Parameter(
        "MODE",
        "mode",
        parse_word(Mode),
        "What to measure: images per second or time per query; accuracy is not measured yet.",
        default="throughput",
        choices=list_words(Mode),
    ),
    Parameter(
        "PRECISION",
        "precision",
        parse_word(Precision),
        "Instruction set and data type to compute in.",
        default="avx_fp32",
        choices=list_words(Precision),
    ),
    Parameter(
        "DATA_TYPE",
        "data_type",
        parse_word(DataType),
        "Generated images, or the images of --dataset.",
        default="dummy; real when --dataset is given",
        choices=list_words(DataType),
    ),
    Parameter(
        "DATASET",
        "dataset",
        parse_text,
        "Images: a folder (any depth) or an uncompressed .tar, read in place.",
        metavar="PATH",
        whole=True,
    ),
    Parameter(
        "CASE_TYPE",
        "case_type",
        parse_case_type,
        "gated: a short check (10 steps, batch size 1, one instance per socket); pkm: the common "
        "parameters.",
        choices=list_words(CaseType),
    ),
    Parameter(
        "WORKLOAD",
        "",
        parse_only(WORKLOAD, "the only workload here, and none runs inside SGX yet"),
        "The framework's name of the workload; it has this one.",
        default=WORKLOAD,
        choices=(WORKLOAD,),
    ),
    Parameter(
        "TOPOLOGY",
        "",
        parse_only(TOPOLOGY, "the only network here"),
        "The network; it has this one.",
        default=TOPOLOGY,
        choices=(TOPOLOGY,),
    ),
    Parameter(
        "PLATFORM",
        "platform",
        parse_word(Platform),
        "The platform to report the result under; it changes nothing that is measured.",
        default="what this machine is",
        choices=list_words(Platform),
    ),
    Parameter(
        "BATCH_SIZE",
        "batch_size",
        parse_whole(1),
        "Images per query.",
        default="32 in throughput mode, 1 in latency mode",
        metavar="N",
    ),
    Parameter(
        "CORES_PER_INSTANCE",
        "cores_per_instance",
        parse_whole(1),
        "Physical cores per instance.",
        default="a whole socket in throughput mode, 4 in latency mode",
        metavar="N",
    ),
    Parameter(
        "INSTANCES",
        "instances",
        parse_whole(1),
        "How many instances run side by side.",
        default="as many as fit",
        metavar="N",
    ),
    Parameter(
        "INSTANCE_MODE",
        "",
        parse_only(INSTANCE_MODE, "CORES_PER_INSTANCE and INSTANCES shape the instances"),
        "How instances are laid out; flex: by CORES_PER_INSTANCE and INSTANCES.",
        default=INSTANCE_MODE,
        choices=(INSTANCE_MODE,),
    ),
    Parameter(
        "STEPS",
        "steps",
        parse_whole(1),
        "Queries per instance; naming it lifts the minimum time.",
        default="at least 30 (latency mode: 300) and the minimum time",
        metavar="N",
    ),
    Parameter(
        "WARMUP_STEPS",
        "warmup_steps",
        parse_whole(1),
        "Queries per instance before the measurement.",
        default="5 in throughput mode, 50 in latency mode",
        metavar="N",
    ),
    Parameter(
        "MIN_TIME",
        "min_time_s",
        parse_seconds,
        "Measure for at least this long.",
        default="20 in throughput mode, 10 in latency mode, none with --steps or gated",
        metavar="SECONDS",
    ),
    Parameter(
        "MODEL",
        "model",
        parse_text,
        "A frozen ResNet-50 v1.5 graph, such as the published resnet50_v1.pb.",
        default="a model generated here; right for speed, not for accuracy",
        metavar="FILE",
        whole=True,
    ),
    Parameter(
        "CALIBRATION",
        "calibration",
        parse_text,
        "Images to calibrate int8 with: a folder or a .tar; a seeded sample of at most 500.",
        default="generated images",
        metavar="PATH",
        whole=True,
    ),
    Parameter(
        "ENGINE",
        "engine",
        str.lower,
        "The runtime that executes the model; null does no work and measures r50 itself.",
        default="tensorflow",
        choices=("tensorflow", "null"),
    ),
    Parameter(
        "ENGINE_OPTION",
        "engine_options",
        parse_engine_options,
        "Settings of the engine, e.g. callers=2.",
        metavar="'KEY=VALUE ...'",
        whole=True,
    ),
    Parameter(
        "LIMIT",
        "limit",
        parse_whole(1),
        "Use at most this many images of --dataset, the first by name.",
        default="all that fit in memory",
        metavar="N",
    ),
    Parameter(
        "SEED",
        "seed",
        parse_whole(0),
        "Seed of everything generated.",
        default="0",
        metavar="N",
    ),
    Parameter(
        "SMT",
        "smt",
        parse_switch,
        "Compute on every hardware thread of a core, not on one.",
        default="off",
        switch=True,
    ),
    Parameter(
        "SPAN_SOCKETS",
        "span_sockets",
        parse_switch,
        "Let an instance cross sockets where cores are left over.",
        default="off",
        switch=True,
    ),
    Parameter(
        "EMULATED",
        "emulated",
        parse_switch,
        "Run a precision this CPU has no instructions for by slower ones; marked EMULATED.",
        default="off",
        switch=True,
    ),
    Parameter(
        "WEIGHT_SHARING",
        "weight_sharing",
        parse_switch,
        "Let instances share one copy of the weights; not in this version.",
        default="off",
        switch=True,
    ),
    Parameter(
        "MPI",
        "mpi",
        parse_switch,
        "Start the instances by MPI; not in this version.",
        default="off",
        switch=True,
    ),
    Parameter(
        "NUM_MPI",
        "num_mpi",
        parse_whole(1),
        "MPI processes per socket; more than 1 needs --mpi.",
        default="1",
        metavar="N",
    ),
    Parameter(
        "ONEDNN_VERBOSE",
        "onednn_verbose",
        parse_switch,
        "Let oneDNN write a line per primitive into the instances' logs; slows the run down.",
        default="off",
        switch=True,
    ),
    Parameter(
        "CUSTOMER_ENV",
        "customer_env",
        parse_assignments,
        "Environment variables for the instances; they win over r50's own.",
        metavar="'A=1 B=2'",
        whole=True,
    ),
    Parameter(
        "TIMEOUT",
        "timeout_s",
        parse_seconds,
        "How long starting, and again measuring, may take before an instance counts as hung.",
        default="600 to start; 60 more than 3 times the expected time to measure",
        metavar="SECONDS",
    ),
    Parameter(
        "VERBOSE",
        "verbose",
        parse_switch,
        "Say more: the environment of the instances, every phase, every skipped file.",
        default="off",
        switch=True,
    ),
)

_NO_WEIGHT_SHARING = frozenset({Precision.AVX_FP32, Precision.AMX_BFLOAT32})
"""The workload's README: "not supported weight sharing"."""

_BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


def find_parameter(name: str) -> Parameter | None:
    """Return the parameter of this name, in any case."""
    return _BY_NAME.get(name.upper())


def find_environment_settings(environ: Mapping[str, str]) -> list[Setting]:
    """Return the parameters that stand in the environment under their plain names."""
    return [
        Setting(name, environ[name], f"environment variable {name}")
        for name in _BY_NAME
        if name in environ
    ]


def make_config(settings: Iterable[Setting]) -> RunConfig:
    """Merge settings into a config; a later setting of the same parameter wins.

    An empty value means "the default", as in the workload's own scripts.

    Raises:
        ConfigError: with every problem found, each under the name the user gave it.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    problems: list[str] = []
    for setting in settings:
        parameter = find_parameter(setting.name)
        if parameter is None:
            problems.append(_describe_unknown(setting))
            continue
        values.pop(parameter.field, None)
        text = setting.value.strip()
        try:
            if text:
                values[parameter.field] = parameter.parse(text)
        except ValueError as error:
            problems.append(f"{setting.origin}: {setting.value!r} must be {error}")
        origins[parameter.field] = setting.origin
    known = {item.name for item in fields(RunConfig)}
    asked = {name: value for name, value in values.items() if name in known}
    if "dataset" in asked and "data_type" not in asked:
        asked["data_type"] = DataType.REAL
    config = RunConfig(**asked)
    problems += _find_conflicts(config, origins)
    if problems:
        raise ConfigError(problems)
    return config


def _describe_unknown(setting: Setting) -> str:
    near = difflib.get_close_matches(setting.name.upper(), _BY_NAME, n=1)
    hint = f"did you mean {near[0]}?" if near else "the names are " + ", ".join(_BY_NAME)
    return f"{setting.origin}: there is no parameter {setting.name}; {hint}"


def _find_conflicts(config: RunConfig, origins: Mapping[str, str]) -> list[str]:
    """Say which parameters exclude each other, by the names the user gave them."""
    named = {parameter.field: origins.get(parameter.field, parameter.flag)
             for parameter in PARAMETERS}  # fmt: skip
    problems = []
    if config.engine not in _BY_NAME["ENGINE"].choices:
        choices = ", ".join(_BY_NAME["ENGINE"].choices)
        problems.append(f"{named['engine']}: {config.engine!r} must be one of {choices}")
    if config.data_type is DataType.REAL and config.dataset is None:
        problems.append(
            f"{named['data_type']} real needs images: add --dataset PATH, a folder or a .tar"
        )
    if config.data_type is DataType.DUMMY:
        problems += [
            f"{named[name]} has no meaning with dummy data: leave it out, or use --data-type real"
            for name in ("dataset", "limit")
            if getattr(config, name) is not None
        ]
    if config.mode is Mode.ACCURACY:
        problems.append(
            f"{named['mode']} accuracy: this version measures throughput and latency only"
        )
        if config.data_type is DataType.DUMMY and "data_type" in origins:
            problems.append(
                f"{named['data_type']} dummy: generated images have no right answer; accuracy "
                "needs --data-type real"
            )
    problems += _find_pointless(config, named)
    return [*problems, *_find_process_conflicts(config, named)]


def _find_pointless(config: RunConfig, named: Mapping[str, str]) -> list[str]:
    """What would be ignored, or could never be met."""
    problems = []
    if config.calibration is not None and "int8" not in config.precision.value:
        problems.append(f"{named['calibration']} has a meaning for int8 only: leave it out")
    if config.timeout_s is not None and config.timeout_s * 1e9 <= plan_workload(config).min_time_ns:
        problems.append(
            f"{named['timeout_s']} {config.timeout_s:g} is no longer than the minimum time to "
            "measure: raise it, or lower --min-time"
        )
    return problems


def _find_process_conflicts(config: RunConfig, named: Mapping[str, str]) -> list[str]:
    """What cannot be shared between processes, and how they cannot be started."""
    problems = []
    if config.weight_sharing:
        if config.precision in _NO_WEIGHT_SHARING:
            able = [item.value for item in Precision if item not in _NO_WEIGHT_SHARING]
            problems.append(
                f"{named['weight_sharing']} True: {config.precision.value} does not support it; "
                f"the precisions that do are {', '.join(able)}"
            )
        problems.append(
            f"{named['weight_sharing']} True: in this version every instance has its own weights; "
            "leave it out, or give False"
        )
    if config.mpi:
        problems.append(
            f"{named['mpi']} True: this version starts its instances itself, without MPI; "
            "leave it out, or give False"
        )
    elif config.num_mpi > 1:
        problems.append(
            f"{named['num_mpi']} {config.num_mpi}: without MPI there is nothing to multiply; "
            "leave it out, or give 1"
        )
    return problems
