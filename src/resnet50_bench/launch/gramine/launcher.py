"""Workers inside gramine: each in an enclave of its own, or without SGX under gramine-direct.

A manifest a worker is written into the run's folder, filled in and signed by gramine's own tools,
and then started: the same worker, which talks by its standard streams.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from resnet50_bench.config import Gramine
from resnet50_bench.errors import HostError
from resnet50_bench.instance.channel import STANDARD_STREAMS
from resnet50_bench.launch.gramine.manifest import (
    EnclavePlan,
    EnclaveProgram,
    TrustedFile,
    find_problems,
    hash_files,
    read_runtime_files,
    render_manifest,
)
from resnet50_bench.launch.local import WORKER_ARGUMENTS, LocalLauncher, Program

if TYPE_CHECKING:
    from collections.abc import Mapping

    from resnet50_bench.instance.job import Job

_TOOL_SECONDS = 600.0
"""Signing measures every page of the enclave: minutes, for one of many gigabytes."""

_STARTERS = {Gramine.SGX: "gramine-sgx", Gramine.DIRECT: "gramine-direct"}


class GramineLauncher(LocalLauncher):
    """Starts workers inside gramine; see `Launcher`.

    Args:
        kind: in an enclave, or without.
        enclave: how large it is.
        inherited: variables of the calling shell, for gramine itself and not for the worker.
    """

    def __init__(self, kind: Gramine, enclave: EnclavePlan, inherited: Mapping[str, str]) -> None:
        self._kind = kind
        self._enclave = enclave
        self._inherited = inherited
        self._runtime: list[TrustedFile] | None = None
        self.command = (_STARTERS[kind], *WORKER_ARGUMENTS)

    def _plan_program(self, job: Job, environment: Mapping[str, str], log_folder: Path) -> Program:
        kind = "trace" if job.trace else "instance"
        name = log_folder / f"enclave_{kind}_{job.slot.instance:03d}"
        own = {key: text for key, text in environment.items() if key not in self._inherited}
        program = plan_program(job, own, self._read_files(job))
        text = render_manifest(self._enclave, program)
        if problems := find_problems(text, job.slot.threads):
            raise HostError(
                f"the manifest of instance {job.slot.instance} is not sound: {'; '.join(problems)}",
                "`r50 enclave CASE` shows a manifest",
            )
        template = name.with_suffix(".manifest.template")
        template.write_text(text)
        manifest = name.with_suffix(".manifest")
        self._call("gramine-manifest", str(template), str(manifest))
        if self._kind is Gramine.SGX:
            self._call("gramine-sgx-sign", "--manifest", str(manifest),
                       "--output", f"{manifest}.sgx")  # fmt: skip
        return Program((_STARTERS[self._kind], str(name)), dict(self._inherited), True)

    def _read_files(self, job: Job) -> list[TrustedFile]:
        """What the worker may read; the runtime, which is large, once for all workers."""
        if self._runtime is None:
            self._runtime = read_runtime_files(list_extras(job))
        return join_files(self._runtime, job)

    def _call(self, *words: str) -> None:
        """Run one of gramine's tools.

        Raises:
            HostError: it fails.
        """
        try:
            done = subprocess.run(
                words, capture_output=True, text=True, timeout=_TOOL_SECONDS, check=False,
                env=dict(self._inherited),
            )  # fmt: skip
            said = done.stderr.strip().splitlines()
        except (OSError, subprocess.TimeoutExpired) as error:
            raise HostError(
                f"{words[0]} cannot be run: {error}", "`r50 doctor` says what is missing"
            ) from error
        if done.returncode:
            raise HostError(
                f"{words[0]} failed: {said[-1] if said else f'exit code {done.returncode}'}",
                f"try it yourself: {' '.join(words)}",
            )


def plan_program(
    job: Job, environment: Mapping[str, str], files: list[TrustedFile]
) -> EnclaveProgram:
    """Return what runs inside for a job."""
    return EnclaveProgram(
        title=f"Instance {job.slot.instance}: {job.engine}, {job.precision.value}",
        argv=(sys.executable, *WORKER_ARGUMENTS, STANDARD_STREAMS),
        environment={"HOME": "/tmp", "TMPDIR": "/tmp", "PYTHONHASHSEED": "0"} | dict(environment),  # noqa: S108
        files=files,
    )


def read_worker_files(job: Job) -> list[TrustedFile]:
    """Return all that a worker may read.

    Raises:
        OSError: a file cannot be read.
    """
    return join_files(read_runtime_files(list_extras(job)), job)


def list_extras(job: Job) -> list[str]:
    """Return this project's extras whose packages a job uses: its engine's, and its images'."""
    reads_images = job.real is not None or job.evaluation is not None
    return [job.engine, *["parquet"] * reads_images]


def join_files(runtime: list[TrustedFile], job: Job) -> list[TrustedFile]:
    """Return the runtime's files and the job's own."""
    known = {file.path for file in runtime}
    own = (path.resolve() for path in list_job_files(job))
    return [*runtime, *hash_files(path for path in own if str(path) not in known)]


def list_job_files(job: Job) -> list[Path]:
    """Return the files beside the runtime that a job reads: its model and its images."""
    paths = [Path(job.model_path)] if job.model_path is not None else []
    if job.real is not None:
        paths.append(Path(job.real.path))
    if job.evaluation is not None:
        paths.append(Path(job.evaluation.crops or job.evaluation.path))
    files = [path for path in paths if path.is_file()]
    for folder in (path for path in paths if path.is_dir()):
        files += [path for path in folder.rglob("*") if path.is_file()]
    return files
