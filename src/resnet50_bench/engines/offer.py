"""What an engine offers here: whether it is installed, and whether it has a precision.

Nothing is imported for it: the metadata of the installed distributions is read.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from importlib import metadata
from typing import TYPE_CHECKING

from resnet50_bench.config import Precision
from resnet50_bench.errors import EngineError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from resnet50_bench.engines.base import Engine, Form

PROJECT = "resnet50-bench"


def require_offered(engine: Engine, precision: Precision) -> None:
    """See that an engine is installed and has a precision.

    Raises:
        EngineError: it is not, or has it not; names what it has, or the line that installs it.
    """
    if not engine.needs_model:
        return
    find_form(engine, precision)
    require_installed(engine)


def find_form(engine: Engine, precision: Precision) -> Form:
    """Return what an engine loads for a precision.

    Raises:
        EngineError: it has no such precision.
    """
    if precision not in engine.forms:
        known = ", ".join(item.value for item in engine.forms)
        raise EngineError(
            f"the {engine.name} engine has no {precision.value}; it has {known}",
            "choose one of these with --precision, or --engine tensorflow",
        )
    return engine.forms[precision]


def require_installed(engine: Engine) -> None:
    """See that the packages of an engine are there.

    Raises:
        EngineError: one is not; says what installs it.
    """
    if engine.extra is None:
        return
    missing = [names[0] for names in engine.extra.packages if _find(names) is None]
    if missing:
        raise EngineError(
            f"the {engine.name} engine needs {' and '.join(missing)}, which "
            f"{'is' if len(missing) == 1 else 'are'} not installed",
            plan_install(engine.extra.name),
        )


def plan_install(extra: str) -> str:
    """Return the line that installs an extra of this package."""
    return f"pip install '{PROJECT}[{extra}]'"


def read_versions(engine: Engine) -> dict[str, str]:
    """Return the installed packages of an engine and their versions, the runtime's own first."""
    groups = engine.extra.packages if engine.extra is not None else ()
    found = (_find(names) for names in groups)
    return dict(item for item in found if item is not None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """What there is of an engine here.

    Attributes:
        engine: its name.
        installed: its packages, `NAME VERSION` each; () where one is missing.
        precisions: those that it has, whether or not this CPU runs them.
        problem, advice: what is missing, and what installs it; None where nothing is.
    """

    engine: str
    installed: tuple[str, ...]
    precisions: tuple[Precision, ...]
    problem: str | None = None
    advice: str | None = None


def read_offer(engine: Engine) -> Offer:
    """Return what there is of an engine."""
    offer = Offer(engine=engine.name, installed=(), precisions=tuple(engine.forms))
    try:
        require_installed(engine)
    except EngineError as error:
        return replace(offer, problem=error.message, advice=error.advice)
    versions = read_versions(engine).items()
    return replace(offer, installed=tuple(f"{name} {version}" for name, version in versions))


def _find(names: Iterable[str]) -> tuple[str, str] | None:
    """Return the first of these distributions that is installed, and its version."""
    for name in names:
        try:
            return name, metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return None
