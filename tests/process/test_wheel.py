"""The wheel, in an empty environment with no checkout near: it installs, and measures."""

from __future__ import annotations

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from resnet50_bench.results.record import read_record
from resnet50_bench.verdict.judge import judge

ROOT = Path(__file__).parents[2]
COMMAND = ["run", "--batch-size", "2", "--steps", "5", "--warmup-steps", "1", "--output", "runs"]


def run(command: list[object], cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run it with nothing of this environment on the module path."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("PYTHON")}
    environment.pop("VIRTUAL_ENV", None)
    return subprocess.run(
        [str(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    run([sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", folder], ROOT)
    (path,) = folder.glob("*.whl")
    return path


def test_the_wheel_measures_without_a_checkout(wheel: Path, tmp_path: Path) -> None:
    home = tmp_path / "empty"
    venv.create(home, with_pip=True)
    pip = [
        home / "bin" / "python",
        "-m",
        "pip",
        "install",
        "--quiet",
        "--disable-pip-version-check",
    ]
    # The locked versions, so that a release of today cannot fail the test of yesterday's code.
    constraints = tmp_path / "constraints.txt"
    constraints.write_text(list_versions())
    run([*pip, "--constraint", constraints, f"{wheel}[tensorflow]"], tmp_path)
    where = run(
        [home / "bin/python", "-c", "import resnet50_bench as it; print(it.__file__)"], home
    )
    assert Path(where.stdout.strip()).is_relative_to(home)
    run([home / "bin" / "r50", *COMMAND], tmp_path)
    (folder,) = (tmp_path / "runs").iterdir()
    record = read_record(folder)
    assert judge(record).failures == ()
    assert record.config.engine == "tensorflow"


def list_versions() -> str:
    """The lock's versions without their hashes."""
    lines = (ROOT / "requirements.lock").read_text().splitlines()
    return "\n".join(line.rstrip(" \\") for line in lines if "==" in line and line[0].isalnum())
