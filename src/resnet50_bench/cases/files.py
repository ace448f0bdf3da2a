"""The framework's YAML files: a test-config, and a testset of several documents.

    "*_gated":            # a case name; `*` stands for any text; quotes may be left out
      BATCH_SIZE: 1

Every value is text, as it is written; nothing is converted on the way.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from resnet50_bench.errors import ConfigError, RequestError
from resnet50_bench.files.paths import read_content
from resnet50_bench.parameters.parameter import Setting

if TYPE_CHECKING:
    from pathlib import Path

_BARE_PATTERN = re.compile(r"^(\*[^\s:'\"]*)\s*:(?=\s|$)", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class CaseConfig:
    """A test-config file.

    Attributes:
        path: of the file.
        sections: each pattern and what it sets, in the file's order.
    """

    path: Path
    sections: tuple[tuple[str, tuple[Setting, ...]], ...]

    def select(self, case_name: str) -> list[Setting]:
        """Return what is set for a case by its full name; a later section wins over an earlier.

        Raises:
            RequestError: no pattern matches the name.
        """
        found = [items for pattern, items in self.sections if _matches(pattern, case_name)]
        if not found:
            patterns = ", ".join(pattern for pattern, _ in self.sections)
            raise RequestError(
                f"--config {self.path}: no pattern matches {case_name}",
                f"the file has {patterns or 'none'}",
            )
        return [setting for items in found for setting in items]


def read_case_config(path: Path) -> CaseConfig:
    """Read a test-config file.

    Raises:
        RequestError: it cannot be read or is no YAML.
        ConfigError: it is not patterns with parameters beneath.
    """
    sections, problems = [], []
    for document in _read_documents(path, "--config"):
        for pattern, values in document.items():
            origin = f"--config {path}, {pattern}"
            if not isinstance(values, dict):
                problems.append(f"{origin}: put parameters beneath it, as NAME: VALUE")
                continue
            problems += [
                f"{origin}, {name}: give one value"
                for name, value in values.items()
                if not isinstance(value, str)
            ]
            settings = tuple(
                Setting(name, value, f"{origin}, {name}")
                for name, value in values.items()
                if isinstance(value, str)
            )
            sections.append((pattern, settings))
    if problems:
        raise ConfigError(problems)
    return CaseConfig(path, tuple(sections))


def read_testset(path: Path) -> list[dict[str, Any]]:
    """Read a testset file: one mapping per document, its leaves text.

    Raises:
        RequestError: it cannot be read or is no YAML.
    """
    return _read_documents(path, "--testset")


def _matches(pattern: str, case_name: str) -> bool:
    expression = ".*".join(re.escape(part) for part in pattern.split("*"))
    names = (case_name, case_name.removeprefix("test_"))
    return any(re.fullmatch(expression, name) for name in names)


def _read_documents(path: Path, flag: str) -> list[dict[str, Any]]:
    import yaml

    try:
        # YAML takes a bare `*name` for an alias; the framework's users write patterns so.
        text = _BARE_PATTERN.sub(r'"\1":', read_content(path).decode())
        documents = _load(yaml.BaseLoader(text))
    except OSError as error:
        raise RequestError(f"{flag} {path}: {error.strerror}") from error
    except (yaml.YAMLError, UnicodeDecodeError, RecursionError) as error:
        problem = " ".join(str(error).split())
        raise RequestError(f"{flag} {path} is no YAML: {problem}") from error
    kept = [document for document in documents if document]
    for document in kept:
        if not isinstance(document, dict) or not all(isinstance(key, str) for key in document):
            raise RequestError(f"{flag} {path}: every document must be NAME: VALUE lines")
    return kept


def _load(loader: Any) -> list[Any]:
    """All documents; this loader makes text, lists and mappings, and nothing else."""
    documents = []
    try:
        while loader.check_data():
            documents.append(loader.get_data())
    finally:
        loader.dispose()
    return documents
