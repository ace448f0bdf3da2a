"""The stored answer of a search: what was found, on what, and whether that still holds.

One file a machine, model, precision and question, in the user's cache: `<cache>/tuned/NAME.json`.
"""

from __future__ import annotations

import hashlib
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

import msgspec

from resnet50_bench import __version__
from resnet50_bench.errors import HostError, RequestError
from resnet50_bench.files.atomic import write_atomically
from resnet50_bench.model.cache import default_cache_dir
from resnet50_bench.model.manifest import GENERATOR_VERSION, PREPARATION_VERSION, read_identity

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from resnet50_bench.config import RunConfig
    from resnet50_bench.host.machine import Host

SCHEMA_VERSION = 1
FOLDER = "tuned"

_KEY_DIGITS = 16
_DISTRIBUTIONS = ("tensorflow", "tensorflow-cpu", "numpy")
"""Whose versions change speeds; of those that are installed."""


class Basis(msgspec.Struct, frozen=True, kw_only=True):
    """What an answer was found on: named facts, each as text.

    Attributes:
        host: of the machine, as far as it decides speeds.
        model: of the graph.
        versions: of this program and of the runtimes.
    """

    host: dict[str, str]
    model: dict[str, str]
    versions: dict[str, str]


class Tuned(msgspec.Struct, frozen=True, kw_only=True):
    """An answer.

    Attributes:
        found: UTC, ISO 8601.
        question: what was asked, e.g. `throughput`, or `throughput with p99 <= 20 ms`.
        mode, precision, engine: of the runs.
        basis: what it was found on.
        settings: parameters by the framework's names, which make the best.
        value: of the best: images/s, or the p50 in ms.
        low, high: the 95 % interval of that, over the starts it was measured in.
        unit: of the value.
        reason: why the search ended.
        entrants, tried: how many configurations there were, and how many were measured.
        close: others that could not be told from the best.
        restricted: lists that the user gave in place of the usual ones.
        folder: of the search.
    """

    schema_version: int = SCHEMA_VERSION
    found: str
    question: str
    mode: str
    precision: str
    engine: str
    basis: Basis
    settings: dict[str, str]
    value: float
    low: float
    high: float
    unit: str
    reason: str
    entrants: int
    tried: int
    close: tuple[str, ...]
    restricted: tuple[str, ...] = ()
    folder: str


def describe_basis(config: RunConfig, host: Host) -> Basis:
    """Return the facts on which an answer for a config stands, as they are now.

    Raises:
        ModelError: the model's file cannot be read.
    """
    flags = hashlib.sha256(" ".join(sorted(host.cpu_flags)).encode()).hexdigest()
    layout = repr([(core.cpus, core.socket, core.node, core.kind) for core in host.cores])
    versions = {"r50": __version__, "prepared models": str(PREPARATION_VERSION)}
    for name in _DISTRIBUTIONS:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return Basis(
        host={
            "name": host.hostname,
            "CPU": host.cpu_model,
            "cores": f"{host.physical_cores} on {len(host.sockets)} sockets",
            "CPU features": flags[:_KEY_DIGITS],
            "layout of its CPUs": hashlib.sha256(layout.encode()).hexdigest()[:_KEY_DIGITS],
        },
        model=_describe_model(config),
        versions=versions,
    )


def _describe_model(config: RunConfig) -> dict[str, str]:
    if config.engine == "null":
        return {"model": "none"}
    if config.model is None:
        return {"model": f"generated, version {GENERATOR_VERSION}"}
    return {"model": f"sha256 {read_identity(Path(config.model)).sha256}"}


def plan_folder(environ: Mapping[str, str]) -> Path:
    """Return where answers are kept, beside the models: `R50_CACHE_DIR`, or the user's cache."""
    return default_cache_dir(environ).parent / FOLDER


def plan_path(folder: Path, tuned: Tuned) -> Path:
    """Return the file of an answer; a newer one to the same question takes its place."""
    basis = tuned.basis
    parts = repr((sorted(basis.host.items()), sorted(basis.model.items()), tuned.question,
                  tuned.engine))  # fmt: skip
    key = hashlib.sha256(parts.encode()).hexdigest()[:_KEY_DIGITS]
    return folder / f"{tuned.mode}-{tuned.precision}-{key}.json"


def write_tuned(folder: Path, tuned: Tuned) -> Path:
    """Keep an answer; return its file.

    Raises:
        HostError: it cannot be written.
    """
    path = plan_path(folder, tuned)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        write_atomically(path, msgspec.json.format(msgspec.json.encode(tuned), indent=2) + b"\n")
    except OSError as error:
        raise HostError(
            f"the answer cannot be kept in {path}: {error.strerror}",
            "name a folder with room in the environment variable R50_CACHE_DIR",
        ) from error
    return path


def read_all(folder: Path) -> tuple[Tuned, ...]:
    """Return the answers that can be read, the newest first; of another version none."""
    found = []
    for path in sorted(folder.glob("*.json")) if folder.is_dir() else ():
        try:
            tuned = msgspec.json.decode(path.read_bytes(), type=Tuned)
        except (OSError, msgspec.DecodeError):
            continue
        if tuned.schema_version == SCHEMA_VERSION:
            found.append(tuned)
    return tuple(sorted(found, key=lambda tuned: tuned.found, reverse=True))


def find_changes(then: Basis, now: Basis) -> tuple[str, ...]:
    """Say what is not what it was, e.g. `tensorflow 2.20.0, now 2.21.0`."""
    return tuple(
        f"{name} {before.get(name, 'none')}, now {after.get(name, 'none')}"
        for before, after in (
            (then.host, now.host), (then.model, now.model), (then.versions, now.versions),
        )
        for name in dict.fromkeys([*before, *after])
        if before.get(name) != after.get(name)
    )  # fmt: skip


class Asked(msgspec.Struct, frozen=True):
    """Which answer is wanted; see `Tuned`. `engine` is None for any that computes."""

    question: str
    mode: str
    precision: str
    engine: str | None

    def matches(self, tuned: Tuned) -> bool:
        """Whether an answer is one to this."""
        if tuned.engine != self.engine and (self.engine is not None or tuned.engine == "null"):
            return False
        asked = (self.question, self.mode, self.precision)
        return asked == (tuned.question, tuned.mode, tuned.precision)


def select_tuned(
    answers: tuple[Tuned, ...], asked: Asked, describe_now: Callable[[Tuned], Basis]
) -> Tuned:
    """Return the answer to what is asked, found on just this.

    Args:
        answers: that are stored.
        asked: which is wanted.
        describe_now: what an answer was found on, as that is now.

    Raises:
        RequestError: there is none, or only one that is stale: found on another host or model, or
            with other versions. What was best there need not be best here.
    """
    fitting = [tuned for tuned in answers if asked.matches(tuned)]
    again = f"`{describe_search(asked)}` finds it"
    if not fitting:
        raise RequestError(
            f"--tuned: nothing was tuned yet for {asked.question} in {asked.precision}"
            + (f" with the {asked.engine} engine" if asked.engine is not None else ""),
            again,
        )
    all_changes = [find_changes(tuned.basis, describe_now(tuned)) for tuned in fitting]
    changes, closest = min(zip(all_changes, fitting), key=lambda pair: len(pair[0]))
    if changes:
        raise RequestError(
            f"--tuned: the answer of {closest.found} is stale: {'; '.join(changes)}",
            f"{again} anew; or give what was best then: {render_flags(closest.settings)}",
        )
    return closest


def describe_search(asked: Asked) -> str:
    """Return the command that searches for what is asked."""
    objective, _, limit = asked.question.partition(" with ")
    sla = f" --sla {limit.replace(' <= ', '=').replace(' ', '')}" if limit else ""
    engine = f" --engine {asked.engine}" if asked.engine not in {None, "tensorflow"} else ""
    return f"r50 tune --precision {asked.precision} --objective {objective}{sla}{engine}"


def render_flags(settings: Mapping[str, str]) -> str:
    """Return settings as flags of the command line."""
    words = []
    for name, value in settings.items():
        flag = "--" + name.lower().replace("_", "-")
        if value == "True":
            words.append(flag)
        elif value:
            words.append(f"{flag} '{value}'" if " " in value else f"{flag} {value}")
    return " ".join(words)
