"""Runs OpenVINO for the benchmarks, in a virtual environment of its own in the cache folder."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

from resnet50_bench.config import Precision
from resnet50_bench.host.machine import Host
from resnet50_bench.model import ModelSource, default_cache_dir, prepare
from resnet50_bench.precision.meaning import plan_meaning

PACKAGES = ("openvino==2026.4.1", "nncf==3.4.0")
HINTS = {
    Precision.AVX_FP32: "f32",
    Precision.AVX_BFLOAT16: "bf16",
    Precision.AVX_INT8: "int8",
    Precision.AMX_BFLOAT16: "bf16",
    Precision.AMX_INT8: "int8",
}
"""What OpenVINO is to compute in; it has no counterpart of `amx_bfloat32`."""

ISA_CAP = "ONEDNN_MAX_CPU_ISA"
"""OpenVINO's kernels heed it as TensorFlow's do: both are oneDNN's."""


class OpenVino:
    """OpenVINO on the graph that r50 generates, under the same caps of instructions.

    Args:
        folder: where the graph is copied, and the quantized one is kept.
        host: this machine.
        cpus: to run on.
    """

    def __init__(self, folder: Path, host: Host, cpus: tuple[int, ...]) -> None:
        self._python = _make_environment()
        cache = default_cache_dir(os.environ)
        model = prepare(ModelSource.generated(), Precision.AVX_FP32, cache, print)
        self._graph = shutil.copy(model.path, folder / "model.pb")
        self._host = host
        self._cpus = ",".join(str(cpu) for cpu in cpus)

    def run(self, precision: Precision, *flags: str) -> Any:
        """Return the answer of `openvino_worker.py`, whose flags these are."""
        script = str(Path(__file__).with_name("openvino_worker.py"))
        command = [self._python, script, self._graph, HINTS[precision], self._cpus, *flags]
        cap = plan_meaning(precision, self._host.cpu_flags).environment[ISA_CAP]
        done = subprocess.run(
            command,
            env=os.environ | {ISA_CAP: cap},
            stdout=subprocess.PIPE,
            check=True,
            text=True,
        )
        return json.loads(done.stdout.splitlines()[-1])


def _make_environment() -> str:
    """Return the Python of an environment that has OpenVINO; made once."""
    folder = default_cache_dir(os.environ).parent / "benchmark-openvino"
    python = folder / "bin" / "python"
    stamp = folder / "installed"
    if not stamp.exists():
        print(f"installing {' '.join(PACKAGES)} into {folder}", file=sys.stderr)
        venv.create(folder, with_pip=True, clear=True)
        subprocess.run([python, "-m", "pip", "install", "--quiet", *PACKAGES], check=True)
        stamp.touch()
    return str(python)
