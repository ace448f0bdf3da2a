"""The one table of parameters, and how text becomes a `RunConfig`.

`PARAMETERS` is the only place that names a parameter, its allowed values, its default and its help;
the command line's flags, `--set`, the environment names and the validation all come from it.
"""

from __future__ import annotations

import difflib
import re
import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from enum import Enum
from typing import Any, TypeVar

from resnet50_bench.config import CaseType, DataType, Mode, Precision, RunConfig
from resnet50_bench.errors import ConfigError

_E = TypeVar("_E", bound=Enum)


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
    """

    name: str
    field: str
    parse: Callable[[str], Any]
    help: str
    default: str | None = None
    choices: tuple[str, ...] = ()
    metavar: str = "TEXT"
    switch: bool = False

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


def _parse_whole(low: int) -> Callable[[str], int]:
    def parse(text: str) -> int:
        if not re.fullmatch(r"[0-9]{1,12}", text) or int(text) < low:
            raise ValueError(f"a whole number, {low} or more")
        return int(text)

    return parse


def _parse_seconds(text: str) -> float:
    if not re.fullmatch(r"[0-9]{1,9}(\.[0-9]{1,9})?", text) or float(text) == 0:
        raise ValueError("a number of seconds above 0, such as 20 or 0.5")
    return float(text)


def _parse_word(kind: type[_E]) -> Callable[[str], _E]:
    def parse(text: str) -> _E:
        try:
            return kind(text.lower())
        except ValueError:
            raise ValueError("one of " + ", ".join(item.value for item in kind)) from None

    return parse


def _parse_case_type(text: str) -> CaseType | None:
    return _parse_word(CaseType)(text) if text else None


def _parse_switch(text: str) -> bool:
    word = text.lower()
    if word in {"true", "1", "yes", "on"}:
        return True
    if word in {"false", "0", "no", "off", ""}:
        return False
    raise ValueError("True or False")


def _parse_text(text: str) -> str:
    if not text:
        raise ValueError("not empty")
    return text


def _parse_inference(text: str) -> str:
    if text.lower() != "inference":
        raise ValueError("inference: nothing else is measured")
    return "inference"


def _parse_assignments(text: str) -> dict[str, str]:
    """Parse `A=1 B="two words"` as a shell would split it; nothing is ever evaluated."""
    try:
        words = shlex.split(text)
    except ValueError as error:
        raise ValueError(f"NAME=VALUE pairs separated by spaces ({error})") from None
    pairs: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
            raise ValueError(f"NAME=VALUE pairs separated by spaces, and {word!r} is none")
        pairs[name] = value
    return pairs


def _parse_engine_options(text: str) -> dict[str, str]:
    return {name.lower(): value for name, value in _parse_assignments(text).items()}


def _words(kind: type[Enum]) -> tuple[str, ...]:
    return tuple(str(item.value) for item in kind)


FUNCTION = "FUNCTION"

PARAMETERS: tuple[Parameter, ...] = (
    Parameter(
        FUNCTION,
        "",
        _parse_inference,
        "What to run; only inference exists.",
        default="inference",
        choices=("inference",),
    ),
    Parameter(
        "MODE",
        "mode",
        _parse_word(Mode),
        "What to measure: images per second, time per query, or correct answers.",
        default="throughput",
        choices=_words(Mode),
    ),
    Parameter(
        "PRECISION",
        "precision",
        _parse_word(Precision),
        "Instruction set and data type to compute in.",
        default="avx_fp32",
        choices=_words(Precision),
    ),
    Parameter(
        "DATA_TYPE",
        "data_type",
        _parse_word(DataType),
        "Generated images, or the images of --dataset.",
        default="dummy; real when --dataset is given",
        choices=_words(DataType),
    ),
    Parameter(
        "DATASET",
        "dataset",
        _parse_text,
        "Images: a folder (any depth) or an uncompressed .tar, read in place.",
        metavar="PATH",
    ),
    Parameter(
        "CASE_TYPE",
        "case_type",
        _parse_case_type,
        "gated: a short check (10 steps, batch size 1, one instance per socket); pkm: the common "
        "parameters.",
        choices=_words(CaseType),
    ),
    Parameter(
        "BATCH_SIZE",
        "batch_size",
        _parse_whole(1),
        "Images per query.",
        default="32 in throughput mode, 1 in latency mode",
        metavar="N",
    ),
    Parameter(
        "CORES_PER_INSTANCE",
        "cores_per_instance",
        _parse_whole(1),
        "Physical cores per instance.",
        default="a whole socket in throughput mode, 4 in latency mode",
        metavar="N",
    ),
    Parameter(
        "INSTANCES",
        "instances",
        _parse_whole(1),
        "How many instances run side by side.",
        default="as many as fit",
        metavar="N",
    ),
    Parameter(
        "STEPS",
        "steps",
        _parse_whole(1),
        "Queries per instance; naming it lifts the minimum time.",
        default="at least 30 (latency mode: 300) and the minimum time",
        metavar="N",
    ),
    Parameter(
        "WARMUP_STEPS",
        "warmup_steps",
        _parse_whole(1),
        "Queries per instance before the measurement.",
        default="5 in throughput mode, 50 in latency mode",
        metavar="N",
    ),
    Parameter(
        "MIN_TIME",
        "min_time_s",
        _parse_seconds,
        "Measure for at least this long.",
        default="20 in throughput mode, 10 in latency mode, none with --steps or gated",
        metavar="SECONDS",
    ),
    Parameter(
        "MODEL",
        "model",
        _parse_text,
        "A frozen ResNet-50 v1.5 graph, such as the published resnet50_v1.pb.",
        default="a model generated here; right for speed, not for accuracy",
        metavar="FILE",
    ),
    Parameter(
        "CALIBRATION",
        "calibration",
        _parse_text,
        "Images to calibrate int8 with: a folder or a .tar; a seeded sample of at most 500.",
        default="generated images",
        metavar="PATH",
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
        _parse_engine_options,
        "Settings of the engine, e.g. callers=2.",
        metavar="'KEY=VALUE ...'",
    ),
    Parameter(
        "LIMIT",
        "limit",
        _parse_whole(1),
        "Use at most this many images of --dataset, the first by name.",
        default="all that fit in memory",
        metavar="N",
    ),
    Parameter(
        "SEED",
        "seed",
        _parse_whole(0),
        "Seed of everything generated.",
        default="0",
        metavar="N",
    ),
    Parameter(
        "SMT",
        "smt",
        _parse_switch,
        "Compute on every hardware thread of a core, not on one.",
        default="off",
        switch=True,
    ),
    Parameter(
        "SPAN_SOCKETS",
        "span_sockets",
        _parse_switch,
        "Let an instance cross sockets where cores are left over.",
        default="off",
        switch=True,
    ),
    Parameter(
        "EMULATED",
        "emulated",
        _parse_switch,
        "Run a precision this CPU has no instructions for by slower ones; marked EMULATED.",
        default="off",
        switch=True,
    ),
    Parameter(
        "CUSTOMER_ENV",
        "customer_env",
        _parse_assignments,
        "Environment variables for the instances; they win over r50's own.",
        metavar="'A=1 B=2'",
    ),
    Parameter(
        "TIMEOUT",
        "timeout_s",
        _parse_seconds,
        "How long starting, and again measuring, may take before an instance counts as hung.",
        default="600 to start; 60 more than 3 times the expected time to measure",
        metavar="SECONDS",
    ),
    Parameter(
        "VERBOSE",
        "verbose",
        _parse_switch,
        "Say more: the environment of the instances, every phase, every skipped file.",
        default="off",
        switch=True,
    ),
)

_BY_NAME = {parameter.name: parameter for parameter in PARAMETERS}


def find_environment_settings(environ: Mapping[str, str]) -> list[Setting]:
    """Return the parameters that stand in the environment under their plain names."""
    return [
        Setting(name, environ[name], f"environment variable {name}")
        for name in _BY_NAME
        if name in environ
    ]


def make_config(settings: Iterable[Setting]) -> RunConfig:
    """Merge settings into a config; a later setting of the same parameter wins.

    Raises:
        ConfigError: with every problem found, each under the name the user gave it.
    """
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    problems: list[str] = []
    for setting in settings:
        parameter = _BY_NAME.get(setting.name.upper())
        if parameter is None:
            problems.append(_describe_unknown(setting))
            continue
        try:
            values[parameter.field] = parameter.parse(setting.value.strip())
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
    return problems
