"""The wheel, in an empty environment with no checkout near: it installs, and measures."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

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
    venv.create(home, with_pip=True)
    pip = [
        home / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--no-compile",  # half of the time, for thousands of files that nothing imports
        "--disable-pip-version-check",
    ]
    # The locked versions, so that a release of today cannot fail the test of yesterday's code.
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(list_versions())
    run([*pip, "--constraint", constraints, f"{wheel}[tensorflow]"], tmp_path)
    where = run(
        [home / "bin/python", "-c", "import resnet50_bench as it; print(it.__file__)"], home
    )
    assert Path(where.strip()).is_relative_to(home)
    variables = {CACHE_VARIABLE: cache.parent, "R50_LOCK_DIR": tmp_path}
    run([home / "bin" / "r50", *COMMAND], tmp_path, **variables)
    (done,) = read_runs(tmp_path / "runs")
    assert done.verdict.failures == ()
    assert done.record.model == full_model.manifest  # found where it was prepared


def list_versions() -> str:
    """The lock's versions without their hashes."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return "\n".join(line.rstrip(" \\") for line in lines if "==" in line and line[0].isalnum())
