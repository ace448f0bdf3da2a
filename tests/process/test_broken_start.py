"""Children that cannot start: their own error is shown, with advice that fits it."""

from __future__ import annotations

import shutil

import pytest

from resnet50_bench.interpreter import IMPORT_ADVICE

from .conftest import QUICK, instances

HOOK = """import sys
if any("resnet50_bench.{child} " in word for word in sys.orig_argv):
    sys.path.insert(0, {folder!r})
"""
BROKEN = "ImportError: a broken msgspec"


@pytest.fixture
def broken(r50):
    """Gives the environment in which one kind of child, and no other, finds a broken package."""

    def make(child: str) -> dict[str, str]:
        (folder := r50.root / "broken").mkdir()
        (folder / "msgspec.py").write_text("raise ImportError('a broken msgspec')")
        (hooks := r50.root / "hooks").mkdir()
        (hooks / "sitecustomize.py").write_text(HOOK.format(child=child, folder=str(folder)))
        return {"PYTHONPATH": str(hooks), "R50_CACHE_DIR": str(r50.root / "cache")}

    return make


def test_an_instance(r50, broken):
    env = broken("instance.worker")
    ended = r50("run", *QUICK, *instances(1), "--output", r50.output, env=env)
    assert ended.code == 3
    lines = ended.stdout.splitlines()
    failed = f"failed: instance 0 was lost while starting: exit code: 1: {BROKEN}"
    assert lines[lines.index(failed) + 1] == f"  -> {IMPORT_ADVICE}"
    assert f"  {BROKEN}" in lines
    assert "fewer" not in ended.stdout


def test_a_rank(r50, broken):
    if shutil.which("mpirun") is None:
        pytest.skip("no MPI launcher is installed")
    env = broken("instance.mpi.worker") | {
        "OMPI_ALLOW_RUN_AS_ROOT": "1",
        "OMPI_ALLOW_RUN_AS_ROOT_CONFIRM": "1",
    }
    ended = r50("run", *QUICK, "--mpi", "--output", r50.output, env=env)
    assert ended.code == 3
    assert f"says: {BROKEN}" in ended.stdout
    assert "mpi.log in the run's folder holds all that the launcher said" in ended.stdout
    assert "fewer" not in ended.stdout


def test_the_toolchain(r50, broken):
    ended = r50("model", "prepare", env=broken("model.toolchain"))
    if "TensorFlow, which is not installed" in ended.stderr:
        pytest.skip("TensorFlow is not installed")
    assert ended.code == 2
    assert f"ended with exit code 1 without an answer: {BROKEN}" in ended.stderr
    assert ended.stderr.splitlines()[-1] == f"  -> {IMPORT_ADVICE}"


def test_another_numpy(r50):
    (folder := r50.root / "other" / "numpy").mkdir(parents=True)
    (folder / "__init__.py").write_text("")
    env = {"PYTHONPATH": str(folder.parent)}
    ended = r50("run", *QUICK, *instances(1), "--output", r50.output, env=env)
    assert ended.code == 3
    assert "was lost while loading: exception: AttributeError: module 'numpy'" in ended.stdout
    assert IMPORT_ADVICE in ended.stdout
