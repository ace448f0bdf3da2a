"""`ctest.sh --testset FILE`: what each document of the file asks for, as options."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from resnet50_bench.cases.files import read_testset
from resnet50_bench.errors import ConfigError

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resnet50_bench.cli.ctest.options import CtestOptions

_CLOUD = {"TERRAFORM_OPTIONS", "TERRAFORM_SUT", "SPOT_INSTANCE", "REGISTRY", "REGISTRY_AUTH",
          "options", "burst"}  # fmt: skip
_BENCHMARKS = {"", "resnet50-tensorflow-xeon-public"}


def plan_testset(options: CtestOptions) -> list[CtestOptions]:
    """Return the options of each document, on top of those of the command line.

    Raises:
        RequestError: the file cannot be read.
        ConfigError: with everything in the file that has no meaning here.
    """
    path = options.testset or Path()
    problems: list[str] = []
    plans = []
    for number, document in enumerate(read_testset(path), 1):
        found = [
            f"--testset {path}, document {number}, {text}" for text in _find_problems(document)
        ]
        problems += found
        if not found:
            plans.append(_plan_document(options, document, path))
    if problems:
        raise ConfigError(problems)
    return plans


def _find_problems(document: Mapping[str, Any]) -> list[str]:
    """What is wrong with a document."""
    return [*_find_value_problems(document), *_find_case_problems(document)]


def _find_value_problems(document: Mapping[str, Any]) -> list[str]:
    problems = [
        f"{name}: is for machines in a cloud; here the tests run on this machine: leave it out"
        for name in document
        if name in _CLOUD
    ]
    benchmark = str(document.get("BENCHMARK", ""))
    if benchmark.rpartition("/")[2].lower() not in _BENCHMARKS:
        problems.append(f"BENCHMARK: {benchmark!r} must be ResNet50-TensorFlow-Xeon-Public")
    for name in ("loop", "run"):
        value = str(document.get(name, "1"))
        if not (value.isascii() and value.isdigit() and int(value) > 0):
            problems.append(f"{name}: {value!r} must be a whole number, 1 or more")
    for name, value in document.items():
        if not isinstance(value, str) and name != "testcase":
            problems.append(f"{name}: give one value")
    return problems


def _find_case_problems(document: Mapping[str, Any]) -> list[str]:
    problems = []
    cases = _list_cases(document)
    if not cases:
        problems.append("testcase: name one, or several as a list")
    if len({text.startswith("/") for text in cases if not text.startswith("!/")}) > 1:
        problems.append("testcase: give names, or regular expressions in slashes, not both")
    return problems


def _list_cases(document: Mapping[str, Any]) -> list[str]:
    value = document.get("testcase", [])
    return [str(item) for item in (value if isinstance(value, list) else [value]) if item]


def _plan_document(options: CtestOptions, document: Mapping[str, Any], path: Path) -> CtestOptions:
    """What one document asks for.

    A `testcase` in slashes is a regular expression, with `!` before it one that excludes.
    """
    cases = _list_cases(document)
    excluded = [text[2:-1] for text in cases if text.startswith("!/") and text.endswith("/")]
    selected = [text[1:-1] for text in cases if text.startswith("/") and text.endswith("/")]
    exact = [text for text in cases if not text.endswith("/")]
    arguments = [*options.arguments]
    if selected:
        arguments += ["-R", "|".join(f"({text})" for text in selected)]
    if excluded:
        arguments += ["-E", "|".join(f"({text})" for text in excluded)]
    config = document.get("test-config", document.get("config"))
    own = {"testcase", "test-config", "config", "loop", "run", "BENCHMARK"}
    sets = [f"{name}={value}" for name, value in document.items() if name not in own]
    return replace(
        options,
        testset=None,
        testcase=(*options.testcase, *exact),
        case_config=path.parent / config if config else options.case_config,
        loop=int(document["loop"]) if "loop" in document else options.loop,
        run=int(document.get("run", options.run)),
        assignments=(*sets, *options.assignments),
        arguments=tuple(arguments),
    )
