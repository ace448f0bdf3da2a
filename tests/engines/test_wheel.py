"""The wheel, with what it declares and nothing else, no checkout near: it installs, and measures."""

from __future__ import annotations

import importlib.metadata
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from resnet50_bench import read_runs
from resnet50_bench.model import CACHE_VARIABLE, PreparedModel

ROOT = Path(__file__).parents[2]
COMMAND = ["run", "--batch-size", "2", "--steps", "5", "--warmup-steps", "1", "--accept-noise"]


def run(command: list[object], cwd: Path, **variables: object) -> str:
    """Run it with nothing of this environment on the module path; return what it printed."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    environment.pop("VIRTUAL_ENV", None)
    environment |= {name: str(value) for name, value in variables.items()}
    done = subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], ROOT)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_measures_without_a_checkout(
    wheel: Path, full_model: PreparedModel, cache: Path, tmp_path: Path
) -> None:
    home = tmp_path / "empty"
    venv.create(home)
    packages = Path(sysconfig.get_path("purelib", "venv", {"base": str(home)}))
    pip = [sys.executable, "-m", "pip", "--python", home / "bin" / "python", "install", "--quiet"]
    run([*pip, "--no-deps", "--no-index", "--disable-pip-version-check", wheel], tmp_path)
    (information,) = packages.glob("resnet50_bench-*.dist-info")
    declared = importlib.metadata.Distribution.at(information).requires or []
    for distribution in find_declared(declared, "tensorflow"):
        link(distribution, packages)
    where = run(
        [home / "bin/python", "-c", "import resnet50_bench as it; print(it.__file__)"], home
    )
    assert Path(where.strip()).is_relative_to(home)
    variables = {CACHE_VARIABLE: cache.parent, "R50_LOCK_DIR": tmp_path}
    run([home / "bin" / "r50", *COMMAND], tmp_path, **variables)
    (done,) = read_runs(tmp_path / "runs")
    assert done.verdict.failures == ()
    assert done.record.model == full_model.manifest  # found where it was prepared


def find_declared(declared: list[str], *extras: str) -> list[importlib.metadata.Distribution]:
    """Everything that is declared, by what is declared too, as it is installed here.

    Raises:
        AssertionError: a version here is not one that is declared.
    """
    found: dict[str, importlib.metadata.Distribution] = {}
    open_ = [(line, extra) for line in declared for extra in ("", *extras)]
    seen = set(open_)
    while open_:
        line, extra = open_.pop()
        wanted = Requirement(line)
        if wanted.marker is not None and not wanted.marker.evaluate({"extra": extra}):
            continue
        distribution = importlib.metadata.distribution(wanted.name)
        assert wanted.specifier.contains(distribution.version, prereleases=True), line
        found[wanted.name] = distribution
        more = {(line, own) for line in distribution.requires or [] for own in ("", *wanted.extras)}
        open_ += more - seen
        seen |= more
    return list(found.values())


def link(distribution: importlib.metadata.Distribution, packages: Path) -> None:
    """Have an environment the files of another one's package, without a minute of copying."""
    for file in distribution.files or []:
        target = packages / file
        if ".." in file.parts or target.exists():  # a command, or a package named twice
            continue
        target.parent.mkdir(parents=True, exist_ok=True)
        target.symlink_to(str(distribution.locate_file(file)))
