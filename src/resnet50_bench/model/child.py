"""Starts the toolchain's child process and forwards what it says; imports no framework."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from contextlib import ExitStack
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from resnet50_bench.config import Precision
from resnet50_bench.engines.offer import plan_install, read_versions
from resnet50_bench.engines.tensorflow import ENGINE
from resnet50_bench.errors import HostError, ModelError
from resnet50_bench.interpreter import (
    advise_import,
    advise_start,
    describe_refusal,
    find_error,
    plan_arguments,
)
from resnet50_bench.model.protocol import (
    CONVERTER_MODULE,
    MODULE,
    ConversionRequest,
    ToolchainAnswer,
    ToolchainRequest,
    encode,
)
from resnet50_bench.signals import signals_held

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

_INSTALL_ADVICE = plan_install("tensorflow")
_CPU_LACKS = "instructions, but these aren't available on your machine"
"""From TensorFlow's cpu_feature_guard.cc, where it gets as far as that."""

_TAIL_BYTES = 2000


def read_tensorflow_version() -> str:
    """Return the installed TensorFlow's version, without importing it.

    Raises:
        ModelError: TensorFlow is not installed.
    """
    versions = tuple(read_versions(ENGINE).values())
    if versions:
        return versions[0]
    raise ModelError("preparing a model needs TensorFlow, which is not installed", _INSTALL_ADVICE)


def run_converter(
    request: ConversionRequest,
    on_progress: Callable[[str], None],
    environment: Mapping[str, str] | None = None,
) -> ToolchainAnswer:
    """Have a child process make what an engine loads, or answer with it; see `run_toolchain`.

    Args:
        request: the task.
        on_progress: called with one sentence for people at a time.
        environment: all the variables of the child; None for those of TensorFlow in float32.
    """
    command = (sys.executable, *plan_arguments(CONVERTER_MODULE))
    return run_toolchain(request, on_progress, command, environment)


def run_toolchain(
    request: ToolchainRequest | ConversionRequest,
    on_progress: Callable[[str], None],
    command: Sequence[str] = (sys.executable, *plan_arguments(MODULE)),
    environment: Mapping[str, str] | None = None,
) -> ToolchainAnswer:
    """Have a child process do one task, and return its last answer.

    Whatever ends this call, Ctrl-C included, ends the child too.

    Args:
        request: the task.
        on_progress: called with one sentence for people at a time.
        command: what to start; the answers' file descriptor is appended.
        environment: all the variables of the child; None for those of TensorFlow in float32.

    Raises:
        ModelError: the task failed, or the child did.
        HostError: the child cannot be started, what it made cannot be written, or TensorFlow cannot
            run on this CPU.
    """
    answers_fd, child_fd = os.pipe()
    # In memory: no disk has to have room for it.
    with os.fdopen(answers_fd, "rb") as answers, os.fdopen(os.memfd_create("log"), "w+b") as log:
        with ExitStack() as stack:
            with signals_held():  # until it is noted that it must end
                child = _start([*command, str(child_fd)], child_fd, log, environment)
                stack.callback(_end, child)
            _send(child, encode(request))
            last = _forward(answers, on_progress)
            exit_code = child.wait()
        return _conclude(last, exit_code, log)


def _end(child: subprocess.Popen[bytes]) -> None:
    child.kill()
    child.wait()


def _start(
    command: Sequence[str], child_fd: int, log: BinaryIO, environment: Mapping[str, str] | None
) -> subprocess.Popen[bytes]:
    """Start the child, and close its end of the pipe here."""
    if environment is None:
        environment = os.environ | ENGINE.environment(Precision.AVX_FP32, _count_threads())
    try:
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            pass_fds=(child_fd,),
            env=environment,
            start_new_session=True,
        )
    except OSError as error:
        raise HostError(
            f"the model toolchain cannot be started: {describe_refusal(error)}",
            advise_start(error),
        ) from error
    finally:
        os.close(child_fd)


def _send(child: subprocess.Popen[bytes], request: bytes) -> None:
    assert child.stdin is not None
    try:
        with child.stdin:
            child.stdin.write(request)
    except BrokenPipeError:
        return  # the child ended early; its exit code and log tell why


def _forward(answers: BinaryIO, on_progress: Callable[[str], None]) -> ToolchainAnswer | None:
    last = None
    for line in answers:
        try:
            answer = msgspec.json.decode(line, type=ToolchainAnswer)
        except msgspec.DecodeError:
            break  # the child was killed in the middle of a line
        if answer.progress is not None:
            on_progress(answer.progress)
        else:
            last = answer
    return last


def _conclude(last: ToolchainAnswer | None, exit_code: int, log: BinaryIO) -> ToolchainAnswer:
    if last is not None and last.failure is not None:
        kind = HostError if last.failure.of_host else ModelError
        raise kind(last.failure.message, last.failure.advice)
    if last is not None and last.finished and exit_code == 0:
        return last
    end = (
        f"was killed by signal {-exit_code}"
        if exit_code < 0
        else f"ended with exit code {exit_code}"
    )
    tail = _read_tail(log)
    if "No module named 'tensorflow'" in tail:
        raise ModelError(
            "preparing a model needs TensorFlow, which cannot be imported",
            _INSTALL_ADVICE,
        )
    if exit_code == -signal.SIGILL or _CPU_LACKS in tail:
        raise HostError(
            "preparing a model needs TensorFlow, which cannot run on this CPU: it lacks "
            "instructions that TensorFlow was compiled for, AVX among them",
            "`r50 doctor` says what this machine can run",
        )
    error = find_error(tail)
    why = f": {error}" if error is not None else ""
    raise ModelError(
        f"the model toolchain {end} without an answer{why}",
        advise_import(error),
        output=tuple(tail.splitlines()),
    )


def _read_tail(log: BinaryIO) -> str:
    size = log.seek(0, os.SEEK_END)
    log.seek(max(0, size - _TAIL_BYTES))
    return log.read().decode(errors="replace").strip() or "(none)"


def _count_threads() -> int:
    return len(os.sched_getaffinity(0))
